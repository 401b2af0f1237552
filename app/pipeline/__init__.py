"""The stages that a call goes through, from the client to the provider; their order stands here and nowhere else."""

from app.core.ports import Directory, Handler, OpenRescue, PriceList, Recorder
from app.pipeline.board import Board
from app.pipeline.failover import Failover
from app.pipeline.metering import REPORTED, Metering
from app.pipeline.names import Names
from app.pipeline.send import Send
from app.pipeline.stage import chain


def build_pipeline(
    directory: Directory,
    recorder: Recorder,
    board: Board,
    open_rescue: OpenRescue,
    prices: PriceList = REPORTED,
) -> Handler:
    """The handler of every call. Smart stages take their place between names and failover."""
    return chain([Metering(recorder, prices), Names(directory), Failover(board, open_rescue)], Send(directory))
