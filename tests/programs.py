"""Programs that speak OpenAI's shape: what each sends for an image, and what it reads of the answer.

Read from their sources at the commit that is named; the bodies are those of their defaults, or of the choices that
their forms offer. None of their code is here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"


@dataclass(frozen=True)
class Program:
    """A call of a program. `reads`: the field that it takes the image from.

    `with_key`: it fetches links with its API key in `Authorization`. An edit sends its images as `file_field`.
    """

    name: str
    source: str
    body: dict[str, Any]
    reads: str
    with_key: bool = False
    file_field: str = ""
    # What of its body has no effect, whatever the image's format is.
    ignored: frozenset[str] = field(default_factory=frozenset)

    @property
    def path(self) -> str:
        """What it calls."""
        return EDITS if self.file_field else GENERATIONS


PROGRAMS = (
    Program(
        "LibreChat, image_gen_oai",
        "danny-avila/LibreChat@00b3bc32 api/app/clients/tools/structured/OpenAIImageTools.js",
        {
            "model": "gpt-image-1",
            "n": 1,
            "background": "auto",
            "output_format": "png",
            "quality": "auto",
            "size": "auto",
        },
        "b64_json",
    ),
    Program(
        "LibreChat, image_gen_oai with WEBP",
        "danny-avila/LibreChat@00b3bc32 api/app/clients/tools/structured/OpenAIImageTools.js",
        {
            "model": "gpt-image-1",
            "n": 1,
            "background": "opaque",
            "output_format": "webp",
            "output_compression": 100,
            "quality": "high",
            "size": "1536x1024",
        },
        "b64_json",
        ignored=frozenset({"output_compression", "quality"}),
    ),
    Program(
        "LibreChat, image_edit_oai",
        "danny-avila/LibreChat@00b3bc32 api/app/clients/tools/structured/OpenAIImageTools.js",
        {"model": "gpt-image-1", "quality": "auto", "size": "auto"},
        "b64_json",
        file_field="image[]",
    ),
    Program(
        "LangChain.js, DallEAPIWrapper",
        "langchain-ai/langchainjs@01ce806e libs/langchain-openai/src/tools/dalle.ts",
        {
            "model": "dall-e-3",
            "n": 1,
            "size": "1024x1024",
            "response_format": "url",
            "style": "vivid",
            "quality": "standard",
        },
        "url",
        ignored=frozenset({"style"}),
    ),
    Program(
        "LangChain, DallEAPIWrapper",
        "langchain-ai/langchain@08b4fce4 libs/community/langchain_community/utilities/dalle_image_generator.py",
        {"model": "dall-e-2", "n": 1, "size": "1024x1024", "quality": "standard"},
        "url",
    ),
    Program(
        "Dify, DALL-E 3",
        "zx9597446/dify-official-plugins@ce5822e8 tools/dalle/tools/dalle3.py",
        {
            "model": "dall-e-3",
            "size": "1024x1792",
            "n": 1,
            "style": "vivid",
            "quality": "hd",
            "response_format": "b64_json",
        },
        "b64_json",
        ignored=frozenset({"style", "quality"}),
    ),
    Program(
        "Open WebUI, dall-e-3",
        "open-webui/open-webui@02530d50 backend/open_webui/routers/images.py",
        {"model": "dall-e-3", "n": 1, "size": "512x512", "response_format": "b64_json"},
        "b64_json",
    ),
    Program(
        "Open WebUI, gpt-image-1",
        "open-webui/open-webui@02530d50 backend/open_webui/routers/images.py",
        {"model": "gpt-image-1", "n": 1, "size": "1024x1024"},
        "b64_json",
    ),
    Program(
        "Open WebUI, links by its own parameters",
        "open-webui/open-webui@02530d50 backend/open_webui/routers/images.py",
        {"model": "gpt-image-1", "n": 1, "size": "1024x1024", "response_format": "url"},
        "url",
        with_key=True,
    ),
    Program(
        "NextChat",
        "ChatGPTNextWeb/NextChat@5af9d072 app/client/platforms/openai.ts",
        {
            "model": "dall-e-3",
            "response_format": "b64_json",
            "n": 1,
            "size": "1024x1024",
            "quality": "standard",
            "style": "vivid",
        },
        "b64_json",
        ignored=frozenset({"style"}),
    ),
    Program(
        "n8n",
        "n8n-io/n8n@4b50040e packages/@n8n/nodes-langchain/nodes/vendors/OpenAi/actions/image/generate.operation.ts",
        {"model": "dall-e-3", "response_format": "b64_json", "quality": "hd", "size": "1792x1024", "style": "natural"},
        "b64_json",
        ignored=frozenset({"style", "quality"}),
    ),
    Program(
        "n8n, links",
        "n8n-io/n8n@4b50040e packages/@n8n/nodes-langchain/nodes/vendors/OpenAi/actions/image/generate.operation.ts",
        {"model": "dall-e-2", "response_format": "url", "n": 2, "size": "256x256"},
        "url",
    ),
    Program(
        "LobeChat",
        "lobehub/lobe-chat@3c7f1866 packages/model-runtime/src/core/openaiCompatibleFactory/createImage.ts",
        {"model": "gpt-image-1", "n": 1, "size": "1024x1536"},
        "b64_json",
    ),
    Program(
        "LobeChat, edit",
        "lobehub/lobe-chat@3c7f1866 packages/model-runtime/src/core/openaiCompatibleFactory/createImage.ts",
        {"model": "gpt-image-1", "n": "1", "input_fidelity": "high"},
        "b64_json",
        file_field="image",
        ignored=frozenset({"input_fidelity"}),
    ),
    Program(
        "AI SDK, generateImage",
        "vercel/ai@00b29610 packages/openai/src/image/openai-image-model.ts",
        {"model": "dall-e-3", "n": 1, "size": "1024x1024", "style": "natural", "response_format": "b64_json"},
        "b64_json",
        ignored=frozenset({"style"}),
    ),
    Program(
        "crewAI, DallETool",
        "crewAIInc/crewAI-tools@d26469a0 crewai_tools/tools/dalle_tool/dalle_tool.py",
        {"model": "dall-e-3", "size": "1024x1024", "quality": "standard", "n": 1},
        "url",
    ),
    Program(
        "LlamaIndex, OpenAIImageGenerationToolSpec",
        "run-llama/llama_index@4e34b0e5 llama-index-integrations/tools/llama-index-tools-openai/llama_index/tools/"
        "openai/image_generation/base.py",
        {
            "model": "dall-e-3",
            "n": 1,
            "quality": "standard",
            "size": "1024x1024",
            "response_format": "url",
            "style": "vivid",
        },
        "url",
        ignored=frozenset({"style"}),
    ),
    Program(
        "big-AGI",
        "enricoros/big-AGI@0033debb src/modules/llms/server/openai/openai.router.ts",
        {
            "model": "dall-e-3",
            "n": 1,
            "quality": "hd",
            "response_format": "b64_json",
            "size": "1792x1024",
            "style": "natural",
            "user": "big-AGI",
        },
        "b64_json",
        ignored=frozenset({"quality", "style"}),
    ),
    Program(
        "LiteLLM, gpt-image",
        "BerriAI/litellm@03c4e68e litellm/llms/openai/image_generation/gpt_transformation.py",
        {
            "model": "gpt-image-1-mini",
            "background": "auto",
            "moderation": "auto",
            "n": 1,
            "output_compression": 80,
            "output_format": "jpeg",
            "quality": "low",
            "size": "1024x1024",
            "user": "u-1",
        },
        "b64_json",
        ignored=frozenset({"output_compression", "quality"}),
    ),
)
