"""A name server on loopback whose answers change, and a resolver that asks it and nobody else."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

import dns.asyncresolver
import dns.message
import dns.rdatatype
import dns.resolver
import dns.rrset

from app.web.guard import Resolve


class NameServer(asyncio.DatagramProtocol):
    """Answers the first question for a name by the first of its answers, and so on; the last one stays.

    An answer is a list of addresses, of which each question gets those of its type.
    """

    def __init__(self, answers: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self.answers = answers
        self.asked: Counter[tuple[str, str]] = Counter()
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        answers = self.answers.get(name, [[]])
        turn = min(self.asked[name, kind], len(answers) - 1)
        self.asked[name, kind] += 1
        reply = dns.message.make_response(query)
        addresses = [each for each in answers[turn] if (":" in each) == (kind == "AAAA")]
        if addresses:
            reply.answer.append(dns.rrset.from_text(question.name, 0, "IN", kind, *addresses))
        self.transport.sendto(reply.to_wire(), addr)

    def resolver(self) -> Resolve:
        """Asks this server each time, for both types."""

        async def resolve(host: str, _port: int) -> list[str]:
            resolver = dns.asyncresolver.Resolver(configure=False)
            resolver.nameservers, resolver.port = ["127.0.0.1"], self.port
            found: list[str] = []
            for kind in ("A", "AAAA"):
                with contextlib.suppress(dns.resolver.NoAnswer):
                    found += [str(each) for each in await resolver.resolve(host, kind, lifetime=5)]
            if not found:
                raise OSError(f"no such name: {host}")
            return found

        return resolve


@contextlib.asynccontextmanager
async def running_names(answers: Mapping[str, Sequence[Sequence[str]]]) -> AsyncIterator[NameServer]:
    """A server of such names."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: NameServer(answers), local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()
