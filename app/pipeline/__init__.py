"""The stages that a call goes through, from the client to the provider; their order stands here and nowhere else."""

from app.core.ports import Directory, Handler, OpenRescue, Recorder
from app.pipeline.board import Board
from app.pipeline.failover import Failover
from app.pipeline.metering import Metering
from app.pipeline.names import Names
from app.pipeline.send import Send
from app.pipeline.stage import chain


def build_pipeline(directory: Directory, recorder: Recorder, board: Board, open_rescue: OpenRescue) -> Handler:
    """The handler of every call. Smart stages take their place between names and failover."""
    return chain([Metering(recorder), Names(directory), Failover(board, open_rescue)], Send(directory))
