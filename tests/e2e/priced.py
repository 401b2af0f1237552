"""The gateway as it is started, with prices that are known to tests: each token of every model is a millionth of a USD."""

from decimal import Decimal

from app.api.front import Asgi
from app.core.call import Target
from app.core.ports import Priced
from app.core.usage import Usage
from app.main import create_app

USD_A_TOKEN = Decimal("0.000001")


class TestPrices:
    """The same for all."""

    __test__ = False

    def price(self, target: Target, usage: Usage, at: float) -> Priced:
        """By its tokens."""
        return Priced(usage.total * USD_A_TOKEN, "test")

    def most(self, target: Target, input_tokens: int, output_tokens: int) -> Decimal | None:
        """By its tokens."""
        return (input_tokens + output_tokens) * USD_A_TOKEN


def create_priced() -> Asgi:
    """What uvicorn loads."""
    return create_app(prices=TestPrices())


if __name__ == "__main__":
    import cli.serve
    from cli.__main__ import main

    cli.serve.APP = f"{__spec__.name}:{create_priced.__name__}"
    main()
