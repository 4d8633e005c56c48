"""PID-15 to ISO 639-1. Senders write two letters, three letters or the English name."""

import re

_TWO_LETTERS = re.compile(r"[a-z]{2}", re.ASCII)

_LANGUAGES = {
    "ar": ("ara", "arabic"),
    "de": ("deu", "ger", "german"),
    "en": ("eng", "english"),
    "es": ("spa", "spanish"),
    "fa": ("fas", "per", "farsi", "persian"),
    "fr": ("fra", "fre", "french"),
    "ht": ("hat", "haitian creole", "haitian"),
    "hi": ("hin", "hindi"),
    "hmn": ("hmong",),
    "it": ("ita", "italian"),
    "ja": ("jpn", "japanese"),
    "ko": ("kor", "korean"),
    "nl": ("nld", "dut", "dutch"),
    "pl": ("pol", "polish"),
    "pt": ("por", "portuguese"),
    "ru": ("rus", "russian"),
    "so": ("som", "somali"),
    "tl": ("tgl", "fil", "tagalog", "filipino"),
    "uk": ("ukr", "ukrainian"),
    "ur": ("urd", "urdu"),
    "vi": ("vie", "vietnamese"),
    "zh": ("zho", "chi", "chinese", "mandarin", "cantonese"),
}

_CODES = {name: code for code, names in _LANGUAGES.items() for name in names}


def language_code(written: str) -> str | None:
    """The language's code ("en"); a region ("en-US") is dropped. None if we do not know it."""
    text = written.lower()
    name = text if text in _CODES else text.replace("_", "-").partition("-")[0]
    return _CODES.get(name) or (name if _TWO_LETTERS.fullmatch(name) else None)
