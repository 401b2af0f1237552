"""Words and phrases that say the same wherever both can stand; the first of each group stands for all."""

from app.likeness.phrases import table

# A word is here only where no question that is asked with one of its group means something else with another: not
# `lower` for `reduce` (lower back pain), not `terminate` for `kill` (an employee), not `store` for `shop`, not
# `remove` for `delete` (a user from a group), not `film` for `movie` (a camera); nor is it what a command or a function is
# called, in any language: not `locate` for `find`, not `select` for `choose`.
_GROUPS = """
start begin | starts begins | started began | starting beginning
delete erase | deleting erasing | deleted erased
large big | largest biggest | larger bigger | fast quick | fastest quickest | faster quicker
buy purchase | buying purchasing | bought purchased
advantages benefits pros | advantage benefit | disadvantages drawbacks cons downsides | disadvantage drawback downside
edit modify | change alter | fix repair | fixing repairing | tap faucet
doctor physician | doctors physicians | allowed permitted
calculate compute | calculating computing | price cost | prices costs | reduce decrease | amount quantity
needed required necessary | get obtain acquire | sick ill
child kid | children kids | gifts presents | car automobile | cars automobiles
mandatory compulsory obligatory | improve enhance | maximum max | minimum min
info information | docs documentation | photo photograph | photos photographs | bike bicycle | bikes bicycles
tv television | fridge refrigerator | ad advert advertisement | exam examination | lab laboratory
math maths mathematics | repo repository | repos repositories | config configuration | db database | folder directory dir
folders directories | param parameter | params parameters | dict dictionary | dicts dictionaries
kubernetes k8s | javascript js | typescript ts | postgres postgresql | mongo mongodb
often frequently | quickly rapidly | everyone everybody | someone somebody | anyone anybody | until till
regarding concerning | maybe perhaps | huge enormous | clever intelligent smart | rich wealthy | hard difficult
easy simple | happen occur | happens occurs | happened occurred | help assist | try attempt
choose pick | choosing picking | couch sofa | trash garbage rubbish | truck lorry
gasoline petrol | diaper nappy | sidewalk pavement | candy sweets | eggplant aubergine | zucchini courgette
wrench spanner | speak talk | taxi cab | plane airplane | mother mom mum | father dad
dangerous hazardous | what which | answer reply | ok okay | via using
"""

CANONICAL = {
    word: words[0]
    for words in (group.split() for line in _GROUPS.strip().splitlines() for group in line.split("|"))
    for word in words
}

PHRASES = table([
    ("get in touch with", "contact"), ("get rid of", "remove"), ("sign up", "register"), ("sign in|into", "log in"), ("find out", "find"),
    ("united states", "usa"), ("united kingdom", "uk"), ("second world war", "world war 2"), ("wwii|ww2", "world war 2"),
    ("first world war", "world war 1"), ("wwi|ww1", "world war 1"), ("no one", "nobody"), ("give|show me", "give"),
    ("a couple of", "2"), ("cell|mobile phone", "phone"), ("cell phones", "phones"),
    ("turn|switch on", "enable"), ("turn|switch off", "disable"), ("visual studio code", "vs code"),
    ("there is|are", "exists"), ("is|are there", "exists"),
])  # fmt: skip

# Where one of these is, a text may be about the words themselves, and each stands for itself alone.
ABOUT_WORDS = frozenset(
    "word words synonym synonyms antonym antonyms meaning mean means meant definition define spell spelling pronounce rhyme "
    "rhymes say translate translation etymology origin difference called term terms phrase sentence grammar plural".split()
)
