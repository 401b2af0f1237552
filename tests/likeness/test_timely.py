"""Questions whose answers do not keep."""

import pytest

from app.likeness.timely import time_sensitive


@pytest.mark.parametrize(
    "text",
    [
        "What's happening in Paris today?",
        "latest version of Node",
        "Is the shop open now?",
        "Who is the current mayor of Rome?",
        "Who is the president of France?",
        "Who's the CEO of Nestle?",
        "What is the weather like in Oslo?",
        "What is the price of Tesla stock?",
        "bitcoin price",
        "Any news on the strike?",
        "What time is it in Tokyo?",
        "What did they announce 3 days ago?",
        "Meetings this week",
        "Was ist heute los?",
        "Wie spät ist es?",
        "Qu'est-ce qui se passe aujourd’hui ?",
        "¿Qué hora es?",
        "¿Quién ganó ayer?",
        "Che tempo fa oggi?",
        "O que aconteceu ontem?",
        "What's the score of the match?",
        "Is GitHub down?",
        "Is the market open?",
        "What day of the week is it?",
        "How old is Taylor Swift?",
        "When is the next train to Berlin?",
        "Where is my package?",
        "What is my balance?",
        "How much is 100 US dollars in euros?",
        "EUR/USD rate",
        "inflation rate in Germany",
        "What's the cheapest flight to Rome?",
        "Wer ist Bundeskanzler?",
        "Was kostet ein Bitcoin?",
        "Qui est le président de la France ?",
        "Quel temps fait-il ?",
        "¿Quién es el presidente de México?",
        "Give me a random number.",
        "Roll a die.",
        "Flip a coin.",
        "Can you generate a strong password?",
        "Tell me another joke.",
        "Try again.",
        "Suggest something else.",
    ],
)
def test_question_of_the_moment_is_told(text: str) -> None:
    assert time_sensitive(text)


@pytest.mark.parametrize(
    "text",
    [
        "How do I reverse a list in Python?",
        "What is the capital of France?",
        "Who was the first president of the United States?",
        "What does the knowledge base hold?",
        "How do I renew a passport?",
        "Was ist die Hauptstadt von Frankreich?",
        "¿Cuál es la capital de Francia?",
        "Explain what a random walk is.",
        "How do I generate an API key?",
        "How do I open a file?",
        "What is the next prime after 31?",
        "",
    ],
)
def test_question_that_keeps_is_none(text: str) -> None:
    assert not time_sensitive(text)
