"""Tiny twins: what to shrink of each class so that a pipeline runs on a CPU in under a second.

Everything else of a twin's config, above all its flags, is the real model's.
"""

from collections.abc import Mapping
from typing import Any

_T5 = {"vocab_size": 16, "d_model": 32, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 4}
_EIGHTS = [8, 8, 8, 8]

SHRUNK: Mapping[str, Mapping[str, Any]] = {
    "T5EncoderModel": _T5,
    "UMT5EncoderModel": _T5,
    "CLIPTextModel": {
        "vocab_size": 16,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "bos_token_id": 2,
        "eos_token_id": 1,
    },
    "WanTransformer3DModel": {
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "text_dim": 32,
        "freq_dim": 16,
        "ffn_dim": 16,
        "num_layers": 1,
    },
    "CogVideoXTransformer3DModel": {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "in_channels": 4,
        "out_channels": 4,
        "time_embed_dim": 8,
        "text_embed_dim": 32,
        "num_layers": 1,
        "sample_width": 4,
        "sample_height": 4,
        "sample_frames": 9,
    },
    "LTXVideoTransformer3DModel": {
        "in_channels": 8,
        "out_channels": 8,
        "num_attention_heads": 2,
        "attention_head_dim": 8,
        "cross_attention_dim": 16,
        "num_layers": 1,
        "caption_channels": 32,
    },
    "MochiTransformer3DModel": {
        "num_attention_heads": 2,
        "attention_head_dim": 8,
        "num_layers": 2,
        "pooled_projection_dim": 16,
        "text_embed_dim": 32,
        "time_embed_dim": 4,
    },
    "UNetMotionModel": {
        "unet": {
            "sample_size": 8,
            "block_out_channels": [8, 8],
            "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
            "layers_per_block": 1,
            "norm_num_groups": 2,
            "cross_attention_dim": 32,
            "attention_head_dim": 4,
        },
        "motion_adapter": {
            "block_out_channels": [8, 8],
            "motion_layers_per_block": 1,
            "motion_norm_num_groups": 2,
            "motion_num_attention_heads": 2,
        },
    },
    "AutoencoderKLWan": {"base_dim": 3, "num_res_blocks": 1},
    "AutoencoderKLCogVideoX": {
        "block_out_channels": _EIGHTS,
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 2,
    },
    "AutoencoderKLLTXVideo": {
        "latent_channels": 8,
        "block_out_channels": [8, 8, 8, 8, 8],
        "decoder_block_out_channels": [8, 16, 32],
        "layers_per_block": [1, 1, 1, 1, 1],
        "decoder_layers_per_block": [1, 1, 1, 1],
    },
    "AutoencoderKLMochi": {
        "encoder_block_out_channels": [32, 32, 32, 32],
        "decoder_block_out_channels": [32, 32, 32, 32],
        "layers_per_block": [1, 1, 1, 1, 1],
    },
    "AutoencoderKL": {
        "block_out_channels": _EIGHTS,
        "layers_per_block": 1,
        "norm_num_groups": 2,
        "sample_size": 8,
    },
    "LTXLatentUpsamplerModel": {"in_channels": 8, "mid_channels": 32, "num_blocks_per_stage": 1},
}


def shrunk(cls: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """A config of the same class with small widths and few layers."""
    return _merged(config, SHRUNK[cls])


def _merged(config: Mapping[str, Any], small: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **config,
        **{
            name: _merged(config[name], value) if isinstance(value, Mapping) else value
            for name, value in small.items()
        },
    }
