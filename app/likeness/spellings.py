"""British spellings and the American ones that stand for them."""

import re

_PAIRS = dict(pair.split("/") for pair in (
    "colour/color colours/colors favour/favor favourite/favorite flavour/flavor honour/honor labour/labor neighbour/neighbor "
    "neighbourhood/neighborhood behaviour/behavior harbour/harbor humour/humor rumour/rumor centre/center theatre/theater "
    "metre/meter metres/meters kilometre/kilometer kilometres/kilometers centimetre/centimeter centimetres/centimeters "
    "millimetres/millimeters litre/liter litres/liters millilitres/milliliters fibre/fiber calibre/caliber licence/license "
    "defence/defense offence/offense cheque/check cheques/checks catalogue/catalog dialogue/dialog analyse/analyze "
    "analysing/analyzing paralyse/paralyze grey/gray tyre/tire tyres/tires plough/plow sceptical/skeptical anaemia/anemia "
    "anaesthesia/anesthesia diarrhoea/diarrhea oestrogen/estrogen foetus/fetus paediatric/pediatric leukaemia/leukemia "
    "haemoglobin/hemoglobin sulphate/sulfate sulphur/sulfur aluminium/aluminum travelling/traveling traveller/traveler "
    "cancelled/canceled cancelling/canceling modelling/modeling labelled/labeled jewellery/jewelry programme/program "
    "pyjamas/pajamas mould/mold moustache/mustache aeroplane/airplane enrol/enroll fulfil/fulfill instalment/installment "
    "judgement/judgment ageing/aging artefact/artifact manoeuvre/maneuver storey/story sulphuric/sulfuric"
).split())  # fmt: skip

# -ise and -yse words are many, and these few are spelled so everywhere.
_ISE = re.compile(r"(\w{3,})is(e|es|ed|ing|ation|ations|er|ers)")
_STAY = frozenset(
    "exercise exercises exercised exercising advertise advertises advertised advertising advertiser advise advised adviser "
    "advising surprise surprised surprising revise revised revising supervise supervised supervising compromise compromised "
    "franchise merchandise enterprise enterprises otherwise likewise promise promised promises promising disguise disguised "
    "precise concise expertise premise premises paradise noise noises raise raised raising praise praised rise rising wise "
    "televise televised improvise improvised devise devised comprise comprised demise excise incise despise arise arising "
    "treatise tortoise porpoise turquoise poise cruise cruises cruiser bruise bruises bruised disease diseases raiser".split()
)


def american(word: str) -> str:
    """The American spelling of a word in small letters; the word itself where both spell it so."""
    if word in _PAIRS:
        return _PAIRS[word]
    if word not in _STAY and len(word) > 6 and (found := _ISE.fullmatch(word)):
        return f"{found[1]}iz{found[2]}"
    return word
