"""Which family of models a name belongs to, as far as the name tells."""

import re

_OTHER_WORDS = {
    "chatgpt": "gpt",
    "codegemma": "gemma",
    "paligemma": "gemma",
    "codellama": "llama",
    "tinyllama": "llama",
    "codeqwen": "qwen",
    "chatglm": "glm",
}
_WORDS = (
    *("gpt-oss", "gpt", "claude", "gemini", "gemma", "llama", "llava", "mistral", "mixtral", "ministral", "magistral"),
    *(
        "codestral",
        "devstral",
        "pixtral",
        "voxtral",
        "deepseek",
        "qwen",
        "qwq",
        "qvq",
        "grok",
        "sonar",
        "command",
        "aya",
    ),
    *(
        "phi",
        "yi",
        "glm",
        "kimi",
        "minimax",
        "nova",
        "titan",
        "jamba",
        "nemotron",
        "granite",
        "olmo",
        "falcon",
        "hermes",
    ),
    *(
        "ernie",
        "hunyuan",
        "dbrx",
        "starcoder",
        "lfm",
        "mimo",
        "palmyra",
        "inflection",
        "mercury",
        "longcat",
        "internlm",
    ),
    *("smollm", "solar", "vicuna", "whisper", "dall-e", "imagen", "veo", "sora", "flux"),
    *("text-embedding", "nomic-embed", "mxbai-embed", "all-minilm", "embed", "bge", "rerank"),
)
_FAMILY = re.compile(
    rf"(?<![a-z])(?P<word>{'|'.join(map(re.escape, (*_OTHER_WORDS, *_WORDS)))})(?![a-z])"
    r"|(?<![a-z0-9])(?P<o>o[1-9])(?![a-z0-9.])"
)


def infer_family(model: str) -> str | None:
    """The family of a provider's name for a model, such as `llama` of `meta/Meta-Llama-3.1-8B`; None where it tells none.

    Where a name has the words of two, as distilled models do, the first counts.
    """
    found = _FAMILY.search(model.lower().rpartition("/")[2])
    if found is None:
        return None
    return "o-series" if found["o"] else _OTHER_WORDS.get(found["word"], found["word"])
