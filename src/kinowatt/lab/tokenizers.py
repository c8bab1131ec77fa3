"""A stand-in for the tokenizer of a checkpoint, where there is no checkpoint."""

from typing import Any

_SPECIAL = ("<pad>", "</s>", "<s>", "<unk>")
_WORDS = ("a", "cat", "walks", "on", "the", "grass", "in", "soft", "light", "while")


def stand_in(length: int) -> Any:
    """One token per word and an end token, padded to `length`; text encoders see real shapes."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate((*_SPECIAL, *_WORDS))}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        eos_token="</s>",
        bos_token="<s>",
        unk_token="<unk>",
        model_max_length=length,
    )


def prompt_of(tokens: int) -> str:
    """A prompt of that many stand-in tokens, the end token included."""
    return " ".join(_WORDS[index % len(_WORDS)] for index in range(tokens - 1))
