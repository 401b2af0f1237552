"""Words of which one must never stand for the other; they name the reason why two texts differ."""

_PAIRS = """
increase/decrease increase/reduce raise/lower import/export enable/disable buy/sell open/close on/off before/after left/right
up/down in/out first/last maximum/minimum encode/decode encrypt/decrypt upload/download advantages/disadvantages
advantage/disadvantage ascending/descending high/low higher/lower lock/unlock install/uninstall subscribe/unsubscribe
gain/lose add/delete add/remove rise/fall mute/unmute connect/disconnect freeze/unfreeze freeze/thaw winter/summer
inflation/deflation hypothermia/hyperthermia hypotensive/hypertensive start/stop start/end accept/reject accept/refuse
lend/borrow hide/show hide/unhide compress/decompress cause/effect strong/weak upper/lower predators/prey push/pull
win/lose attach/detach mount/unmount include/exclude allow/deny allow/forbid allow/block follow/unfollow male/female
husband/wife mother/father son/daughter brother/sister boy/girl man/woman men/women king/queen teacher/student
parent/child parents/children employer/employee landlord/tenant plaintiff/defendant debit/credit asset/liability
profit/loss income/expense gross/net public/private internal/external local/remote input/output read/write client/server
source/target source/destination horizontal/vertical row/column rows/columns north/south east/west hot/cold warm/cool
wet/dry light/dark light/heavy hard/soft long/short tall/short wide/narrow thick/thin deep/shallow full/empty new/old
young/old early/late day/night morning/evening sunrise/sunset arrival/departure arrive/depart enter/leave log/unlog
acute/chronic benign/malignant positive/negative even/odd prime/composite inner/outer top/bottom front/back head/tail
true/false yes/no always/never all/none everyone/nobody with/without inside/outside above/below over/under ahead/behind
past/future next/previous previous/following to/from for/against like/dislike love/hate agree/disagree safe/dangerous
rich/poor cheap/expensive easy/hard simple/complex fast/slow same/different real/fake formal/informal active/passive
sync/async synchronous/asynchronous static/dynamic mutable/immutable union/intersection create/delete create/destroy
insert/delete append/prepend push/pop lossless/lossy serialize/deserialize marshal/unmarshal upgrade/downgrade
deposit/withdraw inflate/deflate expand/collapse expand/shrink zoom/unzoom save/discard approve/decline hire/fire
pass/fail attack/defend ask/answer teach/learn give/take send/receive find/lose remember/forget wake/sleep
"""
OPPOSED = frozenset(frozenset(pair.split("/")) for pair in _PAIRS.split())
_PREFIXES = ("un", "in", "im", "il", "ir", "non", "dis", "de", "mis", "a")


def are_opposed(one: str, other: str) -> bool:
    """Whether the words are known to be opposites."""
    return frozenset((one, other)) in OPPOSED


def is_negated(one: str, other: str) -> bool:
    """Whether one of the words is the other with a prefix that negates it."""
    long, short = (one, other) if len(one) > len(other) else (other, one)
    return len(short) > 3 and any(long == prefix + short for prefix in _PREFIXES)
