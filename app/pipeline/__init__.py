"""The stages that a call goes through, from the client to the provider; their order stands here and nowhere else."""

from app.core.ports import Directory, Handler, OpenReceipt, OpenRescue, PriceList, Recorder
from app.pipeline.board import Board
from app.pipeline.failover import Failover
from app.pipeline.metering import REPORTED, Metering
from app.pipeline.names import Names
from app.pipeline.send import Send
from app.pipeline.stage import Stage, chain


def build_pipeline(
    directory: Directory,
    recorder: Recorder,
    board: Board,
    open_rescue: OpenRescue,
    prices: PriceList = REPORTED,
    limits: Stage | None = None,
    open_receipt: OpenReceipt = lambda _call, _media_type, _bill: None,
    *,
    names: Names | None = None,
) -> Handler:
    """The handler of every call.

    Args:
        limits: the stage of limits; None where tokens have none but calls a day.
        names: with the stages of smart models; None where there are none.
    """
    stages: list[Stage | None] = [
        Metering(recorder, prices, open_receipt),
        names or Names(directory),
        limits,
        Failover(board, open_rescue),
    ]
    return chain([stage for stage in stages if stage is not None], Send(directory))


def build_sender(
    directory: Directory, recorder: Recorder, board: Board, prices: PriceList = REPORTED, limits: Stage | None = None
) -> Handler:
    """The handler of calls that the gateway makes itself: what comes behind names, metered by itself."""
    stages: list[Stage | None] = [Metering(recorder, prices), limits, Failover(board)]
    return chain([stage for stage in stages if stage is not None], Send(directory))
