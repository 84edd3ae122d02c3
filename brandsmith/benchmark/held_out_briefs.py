"""Twenty briefs of ads that nothing was ever chosen by: drawn from a seed, measured, never looked at before a change.

The briefs of `create_ads.py` were seen while the choice of the most typical picture was made. These came after it: ten
garments, four bottles, two signs, four things to carry, no product of the other twenty among them; plain, before a
ground or a wall, or worn; in five languages, of which English draws half. The pools were written before a picture of
them was drawn. Not here: the measuring (`create_ads.py`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from brandsmith.create.ad_brief import AdBrief
from brandsmith.prepare.shots import article

SEED = 20261128
COLOURS = {
    "red": ("rot", "rode", "rouge", "rojo/roja"),
    "orange": ("orange!", "oranje", "orange", "naranja"),
    "yellow": ("gelb", "gele", "jaune", "amarillo/amarilla"),
    "green": ("grün", "groene", "vert/verte", "verde"),
    "blue": ("blau", "blauwe", "bleu/bleue", "azul"),
    "pink": ("rosa!", "roze", "rose", "rosa"),
    "brown": ("braun", "bruine", "marron", "marrón"),
    "black": ("schwarz", "zwarte", "noir/noire", "negro/negra"),
    "gray": ("grau", "grijze", "gris/grise", "gris"),
    "white": ("weiß", "witte", "blanc/blanche", "blanco/blanca"),
}
"""English → German (`!`: takes no ending), Dutch, French and Spanish (masculine/feminine)."""
NOUNS = {
    "sweater": ("m Pullover", "trui", "m pull", "m suéter"),
    "t shirt": ("n T-Shirt", "T-shirt", "m T-shirt", "f camiseta"),
    "dress": ("n Kleid", "jurk", "f robe", "m vestido"),
    "coat": ("m Mantel", "jas", "m manteau", "m abrigo"),
    "shorts": ("p Shorts", "short", "m short", "m pantalón corto"),
    "pants": ("f Hose", "broek", "m pantalon", "m pantalón"),
    "cap": ("f Kappe", "pet", "f casquette", "f gorra"),
    "hat": ("m Hut", "hoed", "m chapeau", "m sombrero"),
    "scarf": ("m Schal", "sjaal", "f écharpe", "f bufanda"),
    "shoe": ("m Schuh", "schoen", "f chaussure", "m zapato"),
    "bottle": ("f Flasche", "fles", "f bouteille", "f botella"),
    "fragrance": ("n Parfüm", "parfum", "m parfum", "m perfume"),
    "billboard": ("f Plakatwand", "reclamebord", "m panneau publicitaire", "f valla publicitaria"),
    "backpack": ("m Rucksack", "rugzak", "m sac à dos", "f mochila"),
    "bag": ("f Tasche", "tas", "m sac", "m bolso"),
    "box": ("f Schachtel", "doos", "f boîte", "f caja"),
    "cup": ("f Tasse", "kop", "f tasse", "f taza"),
}
"""The same languages; before a noun its gender, where the colour's form depends on it (`p`: plural)."""
GERMAN_ENDINGS = {"m": "er", "f": "e", "n": "es", "p": "e"}
GARMENTS = ("sweater", "t shirt", "dress", "coat", "shorts", "pants", "cap", "hat", "scarf", "shoe")
"""All garments that pocket's judge of prompts knows and an ad would show one of."""
KINDS: tuple[tuple[int, Sequence[str]], ...] = (
    (10, GARMENTS),
    (4, ("bottle", "fragrance")),
    (2, ("billboard",)),
    (4, ("backpack", "bag", "box", "cup")),
)
"""How many briefs, and of which products."""
WORN = frozenset({"sweater", "t shirt", "dress", "coat"})
SCENES = ("", "", "on {} background", "in front of {} wall")
LANGUAGES = ("en", "de", "nl", "fr", "es")
PHRASES = {
    "de": "{colour} {noun} mit {{token}}",
    "nl": "een {colour} {noun} met {{token}}",
    "fr": "{noun} {colour} avec {{token}}",
    "es": "{noun} {colour} con {{token}}",
}
TEXTS: dict[str, tuple[tuple[str, str], ...]] = {
    "en": (
        ("Ready before you are", "Take a look"),
        ("Built for long days", "Explore"),
        ("Less, but better", "See it"),
        ("Out of the box, into the city", "Buy now"),
        ("For the way home", "Get yours"),
        ("Quietly different", "Read more"),
        ("Start the week with colour", "Pick one"),
        ("Nothing to hide", "Try it on"),
        ("Yours by Friday", "Order today"),
        ("Room for one more idea", "Find out how"),
        ("Made to be worn out", "Shop the sale"),
        ("Good morning, Monday", "Step inside"),
    ),
    "de": (
        ("Ein Stück vom Sommer", "Mehr erfahren"),
        ("Für den ganzen Weg", "Hier kaufen"),
        ("Neu in der Stadt", "Laden finden"),
        ("So klingt Stille", "Ansehen"),
        ("Mehr Farbe für Montag", "Auswählen"),
    ),
    "nl": (
        ("Klaar voor de regen", "Bekijk nu"),
        ("Een kleur voor elke dag", "Kies de jouwe"),
        ("Gewoon goed", "Lees meer"),
        ("Mee naar buiten", "Bestel hier"),
        ("Zacht als de ochtend", "Naar de winkel"),
    ),
    "fr": (
        ("Le matin commence ici", "Voir plus"),
        ("Simple et juste", "Acheter"),
        ("Un air de vacances", "Choisir"),
        ("Pour toute la semaine", "En savoir plus"),
        ("Bien plus que du style", "Essayer"),
    ),
    "es": (
        ("Hecho para salir", "Ver más"),
        ("El color de hoy", "Comprar"),
        ("Todo cabe en un viaje", "Descubre"),
        ("Listo para el lunes", "Elige el tuyo"),
        ("Menos ruido, más aire", "Probar"),
    ),
}
"""Language → (headline, call to action); none is set twice."""
LEGAL = {
    "en": "Offer ends on Sunday.",
    "de": "Angebot gilt bis Sonntag.",
    "nl": "Aanbieding tot en met zondag.",
    "fr": "Offre valable jusqu'à dimanche.",
    "es": "Oferta hasta el domingo.",
}


def held_out_briefs(seen: Sequence[str], seed: int = SEED) -> list[AdBrief]:
    """The twenty, of products of which none is in `seen` (as briefs write them). The same seed gives the same ones."""
    draw = random.Random(seed)
    texts = {language: draw.sample(own, len(own)) for language, own in TEXTS.items()}
    made: list[AdBrief] = []
    taken = set(seen)
    for number, nouns in KINDS:
        for _ in range(number):
            language = draw.choice(("en", "en", "en", "en", *LANGUAGES[1:]))
            language = language if texts[language] else max(texts, key=lambda own: len(texts[own]))
            product = _product(draw, language, nouns, taken)
            headline, action = texts[language].pop()
            scene = draw.choice(SCENES).format(article(draw.choice(sorted(COLOURS)))) if language == "en" else ""
            made.append(
                AdBrief(
                    product=product,
                    scene=scene,
                    language=None if language == "en" else language,
                    headline=headline,
                    call_to_action=action,
                    legal=LEGAL[language],
                    seed=draw.randrange(1_000_000),
                )
            )
    return made


def _product(draw: random.Random, language: str, nouns: Sequence[str], taken: set[str]) -> str:
    """A product that is not in `taken`, which then has it."""
    while True:
        noun, colour = draw.choice(nouns), draw.choice(sorted(COLOURS))
        english = article(f"{colour} {{token}} {noun}")
        if english in taken:
            continue
        taken.add(english)
        if language != "en":
            return said_in(language, colour, noun)
        if noun in WORN and draw.random() < 0.4:
            return f"a {draw.choice(('male', 'female'))} model wearing {english}"
        return english


def said_in(language: str, colour: str, noun: str) -> str:
    """The product in another language, its colour in the form that the noun asks for."""
    place = LANGUAGES.index(language) - 1
    gender, _, word = NOUNS[noun][place].rpartition(" ") if language == "nl" else NOUNS[noun][place].partition(" ")
    forms = COLOURS[colour][place].split("/")
    form = forms[-1] if gender == "f" else forms[0]
    if language == "de":
        form = form[:-1] if form.endswith("!") else form + GERMAN_ENDINGS[gender]
    return PHRASES[language].format(colour=form, noun=word)
