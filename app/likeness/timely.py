"""Whether the answer to a question depends on when it is asked, or is another one each time."""

import re

# By language; whole words. What is ambiguous in its own language (`mai`, `ora`, `son`) is left out.
_WORDS = {
    "English": r"today|tonight|tomorrow|yesterday|now|nowadays|currently|current|latest|newest|recent|recently|upcoming|"
    r"so far|at the moment|right now|at present|presently|these days|as of|up to date|up-to-date|most recent|"
    r"breaking|live score|live scores|still (?:alive|open|available|valid|in office|working)|"
    r"(?:this|next|last|past|coming) (?:second|minute|hour|morning|afternoon|evening|night|week|weekend|month|quarter|year|season|decade|"
    r"monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|may|june|july|august|september|october|november|december)|"
    r"what time is it|what(?:'s| is) the (?:time|date|weather|news)|what day is it|what year is it|how old am i|is it (?:raining|snowing)|"
    r"\w+ (?:minutes?|hours?|days?|weeks?|months?|years?) ago|in the news|on sale|in stock|trending|"
    r"days? (?:until|till|left)|how long until|any news|open now|just (?:announced|released|happened)",
    "German": r"heute|morgen früh|gestern|vorgestern|übermorgen|jetzt|aktuell(?:e[rnms]?)?|derzeit|momentan|gerade|neueste[rnms]?|neulich|kürzlich|"
    r"zurzeit|gegenwärtig|letzte[rnms]?|(?:diese|nächste)[rnms]? (?:woche|monat|jahr|wochenende|quartal)|wie spät|wieviel uhr|wie viel uhr|wetter|morgen",
    "French": r"aujourd'hui|demain|hier|maintenant|actuel(?:le|s|les|lement)?|récent(?:e|s|es)?|récemment|dernier|dernière|derniers|dernières|"
    r"en ce moment|cette (?:semaine|année)|ce (?:mois|soir|matin)|quelle heure|météo|prochaine?",
    "Spanish": r"hoy|mañana|ayer|ahora|actuales|actualmente|(?:el|la) \w+ actual|reciente(?:s|mente)?|último|última|últimos|últimas|esta (?:semana|noche|tarde)|"
    r"este (?:mes|año)|qué hora|próxim[oa]|el tiempo en|en este momento",
    "Italian": r"oggi|domani|ieri|adesso|ora|attuale|attuali|attualmente|recente|recenti|recentemente|ultimo|ultima|ultimi|ultime|stasera|"
    r"questa (?:settimana|sera|notte)|questo (?:mese|anno)|che ore|in questo momento|prossim[oa]",
    "Portuguese": r"hoje|amanhã|ontem|agora|atual|atuais|atualmente|recente|recentes|recentemente|últim[oa]s?|esta (?:semana|noite)|"
    r"este (?:mês|ano)|que horas|neste momento|próxim[oa]",
    "Dutch": r"vandaag|morgen|gisteren|nu|momenteel|huidige|recente?|laatste|deze (?:week|maand)|dit jaar",
}
# Who holds an office, and what is traded or measured, changes without any word for it.
_CHANGING = (
    r"weather|forecast|traffic|stock prices?|share prices?|exchange rates?|interest rates?|mortgage rates?|prices? of .{0,40}\b(?:stock|stocks|shares?|bitcoin|"
    r"ethereum|gold|silver|oil|gas)|(?:bitcoin|btc|ethereum|eth|gold|silver|oil|gas) prices?|market cap|net worth|standings|leaderboard|"
    r"who (?:is|are|'s) (?:the |our |my )?(?:[\w']+ ){0,4}(?:president|prime minister|chancellor|king|queen|pope|ceo|cto|cfo|mayor|governor|"
    r"minister|monarch|champion|champions|owner|head|leader|chair|chairman|chairwoman|director|secretary|coach|captain)|"
    r"who's (?:the |our |my )?(?:[\w']+ ){0,4}(?:president|prime minister|chancellor|king|queen|pope|ceo|mayor|governor|champion|coach|captain)|"
    r"name of the (?:president|prime minister|chancellor|king|queen|pope|ceo|mayor|governor)|what version|how much is (?:one |1 |a )?(?:bitcoin|btc|ethereum)|"
    r"cours de l'action|aktienkurs|wechselkurs|taux de change|tipo de cambio|tasso di cambio|taxa de câmbio|clima|meteo|tempo faz"
)
_HAPPENING = (
    # English
    r"what(?:'s| is) (?:on|new|up|happening|going on|playing|trending)|(?:the|a) scores? (?:of|in)|winning|trading at|give me the news|the news|"
    r"any (?:updates?|news)|(?:what|which) (?:day|month|year|date|week)(?: of the \w+)? is it|how old (?:is|are) [\w' .-]{2,40}|"
    r"when (?:is|does|do|will) (?:the|my|our) next|(?:flight|order|delivery|shipping|server|service) status|(?:the )?status of|"
    r"where(?:'s| is) my|my (?:balance|order|package|parcel|account balance)|"
    r"is [\w .-]{2,30} (?:down|up|open|closed|online|offline|winning)|are [\w .-]{2,30} (?:open|closed|down)|do i need an umbrella|"
    r"(?:inflation|unemployment|exchange|interest|birth|death) rate|prices? of|cheapest (?:flights?|tickets?|hotels?)|"
    r"(?:usd|eur|gbp|jpy|chf|cad|aud|dollars?|euros?|yen)(?:'s)? (?:worth|rate)|(?:eur|usd|gbp|jpy|chf)/(?:eur|usd|gbp|jpy|chf)|"
    r"\d+ (?:us |canadian |australian )?(?:usd|eur|gbp|jpy|chf|dollars?|euros?|pounds?|yen) (?:in|to|into) (?:us |canadian )?"
    r"(?:usd|eur|gbp|jpy|chf|dollars?|euros?|pounds?|yen)|live (?:cricket|football|soccer|tennis|results?)|"
    # Others: who holds an office, what a thing costs, the weather
    r"wer ist (?:[\w]+ ){0,4}\w*(?:kanzler|kanzlerin|präsident|präsidentin|könig|papst|minister|bürgermeister)|was kostet|wie steht (?:der|es)|"
    r"qui est (?:[\w']+ ){0,4}(?:président|présidente|premier ministre|roi|pape|maire|pdg)|quel temps|combien coûte|"
    r"quién es (?:[\w]+ ){0,4}(?:presidente|presidenta|rey|papa|primer ministro|alcalde)|qué tiempo|cuánto cuesta|"
    r"chi è (?:[\w]+ ){0,4}(?:presidente|papa|re|sindaco)|quem é (?:[\w]+ ){0,4}(?:presidente|papa|rei)|"
    r"wie is (?:[\w]+ ){0,4}(?:premier|minister-president|president|koning|paus)"
)
# What is to come out another way each time, by chance or because it was asked for once before.
_ANEW = (
    r"at random|(?:pick|choose|select|give|generate|tell|name) (?:\w+ ){0,3}random(?:ly)?|(?:roll|throw) (?:a|the|two|\d+) dices?|"
    r"(?:roll|throw) (?:a |the )?die|(?:flip|toss) a coin|shuffle|surprise me|draw lots|pick (?:a|the) winner|"
    r"(?<!to )(?<! i )(?<! we )(?:generate|create|make|give me|suggest) (?:me )?(?:an? )?(?:[\w-]+ ){0,3}(?:uuids?|guids?|passwords?|passphrases?|secrets?|tokens?|api keys?|pins?|nonces?)|"
    r"regenerate|try (?:it |that )?again|once more|(?:say|do|write) (?:it |that )?again|one more|another (?:one|joke|story|poem|try|version|example|idea)|"
    r"something else|a different (?:one|answer|version|joke|idea)"
)
_TIMELY = re.compile(
    rf"(?<![\w-])(?:{'|'.join(_WORDS.values())}|{_CHANGING}|{_HAPPENING}|{_ANEW})(?!\w)", re.IGNORECASE
)
_DATED = re.compile(r"\b(?:version|release) of\b.{0,40}\b(?:out|available)\b", re.IGNORECASE)
_QUOTES = str.maketrans("’`", "''")


def time_sensitive(text: str) -> bool:
    """Whether a word of `text` says that its answer will not hold for long: today, latest, the weather, who is president; or that
    each shall be another: at random, a password, another joke.

    In English, and the usual words in German, French, Spanish, Italian, Portuguese and Dutch. Rather too often true than too seldom.
    """
    told = text.translate(_QUOTES)
    return bool(_TIMELY.search(told) or _DATED.search(told))
