"""ComfyUI's entry point. What the nodes do is in nodes/, what they call is the package `catvton` (bindings/catvton)."""

WEB_DIRECTORY = "./nodes/web"


async def comfy_entrypoint():
    # Imported here, not above: pytest and builders import this file as well, and have no ComfyUI.
    from .nodes import CatVTONExtension

    return CatVTONExtension()


__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
