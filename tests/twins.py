"""Tiny twins of the seven pipelines: the same classes, random weights, under a second on a CPU."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKL,
    AutoencoderKLCogVideoX,
    AutoencoderKLLTXVideo,
    AutoencoderKLMochi,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LTXConditionPipeline,
    LTXLatentUpsamplePipeline,
    LTXVideoTransformer3DModel,
    MochiPipeline,
    MochiTransformer3DModel,
    MotionAdapter,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)
from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

WORDS = ["<pad>", "</s>", "<s>", "<unk>", "a", "cat", "walks"]


def tokenizer(length: int) -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
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


def _t5() -> T5EncoderModel:
    config = T5Config(vocab_size=16, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4)
    return T5EncoderModel(config).eval()


def wan() -> WanPipeline:
    umt5 = UMT5Config(vocab_size=16, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4)
    return WanPipeline(
        tokenizer=tokenizer(512),
        text_encoder=UMT5EncoderModel(umt5).eval(),
        transformer=WanTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=12,
            text_dim=32,
            freq_dim=16,
            ffn_dim=16,
            num_layers=1,
        ).eval(),
        vae=AutoencoderKLWan(base_dim=3, num_res_blocks=1).eval(),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    )


def cogvideox() -> CogVideoXPipeline:
    return CogVideoXPipeline(
        tokenizer=tokenizer(226),
        text_encoder=_t5(),
        transformer=CogVideoXTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=4,
            out_channels=4,
            time_embed_dim=8,
            text_embed_dim=32,
            num_layers=1,
            sample_width=4,
            sample_height=4,
            sample_frames=9,
        ).eval(),
        vae=AutoencoderKLCogVideoX(
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
        ).eval(),
        scheduler=CogVideoXDDIMScheduler(),
    )


def ltx() -> LTXConditionPipeline:
    return LTXConditionPipeline(
        tokenizer=tokenizer(256),
        text_encoder=_t5(),
        transformer=LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            num_attention_heads=2,
            attention_head_dim=8,
            cross_attention_dim=16,
            num_layers=1,
            caption_channels=32,
        ).eval(),
        vae=AutoencoderKLLTXVideo(
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
            spatio_temporal_scaling=(True, True, True, False),
            decoder_spatio_temporal_scaling=(True, True, True, False),
            decoder_inject_noise=(False,) * 5,
            upsample_residual=(False,) * 4,
            upsample_factor=(1,) * 4,
            timestep_conditioning=False,
            encoder_causal=True,
            decoder_causal=False,
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )


def ltx_upsampler(pipe: LTXConditionPipeline) -> LTXLatentUpsamplePipeline:
    upsampler = LTXLatentUpsamplerModel(in_channels=8, mid_channels=32, num_blocks_per_stage=1)
    found = LTXLatentUpsamplePipeline(vae=pipe.vae, latent_upsampler=upsampler.eval())
    found.set_progress_bar_config(disable=True)
    return found


def mochi() -> MochiPipeline:
    return MochiPipeline(
        tokenizer=tokenizer(256),
        text_encoder=_t5(),
        transformer=MochiTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=2,
            pooled_projection_dim=16,
            in_channels=12,
            text_embed_dim=32,
            time_embed_dim=4,
            max_sequence_length=256,
        ).eval(),
        vae=AutoencoderKLMochi(
            latent_channels=12,
            out_channels=3,
            encoder_block_out_channels=(32, 32, 32, 32),
            decoder_block_out_channels=(32, 32, 32, 32),
            layers_per_block=(1, 1, 1, 1, 1),
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(invert_sigmas=True),
    )


def animatediff() -> AnimateDiffPipeline:
    clip = CLIPTextConfig(
        vocab_size=16,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=2,
        eos_token_id=1,
    )
    down = ("CrossAttnDownBlock2D", "DownBlock2D")
    up = ("UpBlock2D", "CrossAttnUpBlock2D")
    blocks = {"block_out_channels": (8, 8), "down_block_types": down, "up_block_types": up}
    return AnimateDiffPipeline(
        tokenizer=tokenizer(77),
        text_encoder=CLIPTextModel(clip).eval(),
        unet=UNet2DConditionModel(
            **blocks,
            layers_per_block=1,
            norm_num_groups=2,
            cross_attention_dim=32,
            attention_head_dim=4,
            sample_size=8,
        ).eval(),
        motion_adapter=MotionAdapter(
            block_out_channels=(8, 8),
            motion_layers_per_block=1,
            motion_norm_num_groups=2,
            motion_num_attention_heads=2,
        ).eval(),
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=2,
        ).eval(),
        scheduler=EulerDiscreteScheduler(timestep_spacing="trailing", beta_schedule="linear"),
        feature_extractor=None,
        image_encoder=None,
    )


TWINS: Mapping[str, Callable[[], Any]] = {
    "wan2.1-t2v-1.3b": wan,
    "cogvideox-2b": cogvideox,
    "ltx-video-0.9.7-dev": ltx,
    "mochi-1-preview": mochi,
    "animatediff-lightning": animatediff,
}


def watch(pipe: Any) -> dict[str, list[dict[str, Any]]]:
    """Records the calls of text encoder, denoiser and decoder while the pipeline runs."""
    calls: dict[str, list[dict[str, Any]]] = {"text_encoder": [], "denoiser": [], "vae_decoder": []}

    def encoder(_: object, args: tuple[torch.Tensor, ...], kwargs: dict[str, Any]) -> None:
        ids = args[0] if args else kwargs["input_ids"]
        calls["text_encoder"].append({"b": ids.shape[0], "l": ids.shape[1]})

    def denoiser(_: object, args: tuple[torch.Tensor, ...], kwargs: dict[str, Any]) -> None:
        latents = kwargs.get("hidden_states", args[0] if args else None)
        call = {"b": latents.shape[0], "shape": tuple(latents.shape)}
        if "encoder_attention_mask" in kwargs:
            call["valid"] = kwargs["encoder_attention_mask"].sum(dim=1).tolist()
        calls["denoiser"].append(call)

    pipe.text_encoder.register_forward_pre_hook(encoder, with_kwargs=True)
    module = getattr(pipe, "transformer", None) or pipe.unet
    module.register_forward_pre_hook(denoiser, with_kwargs=True)
    inner = pipe.vae.decode

    def decode(latents: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        calls["vae_decoder"].append({"b": latents.shape[0], "shape": tuple(latents.shape)})
        return inner(latents, *args, **kwargs)

    pipe.vae.decode = decode
    pipe.set_progress_bar_config(disable=True)
    return calls
