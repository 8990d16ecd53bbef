"""Any network of timm as a model of skineval: `timm/NAME`. timm is imported when such a name is asked for."""

import inspect
from functools import partial
from pathlib import Path

import skineval


@skineval.hookimpl
def skineval_register_families():
    yield skineval.ArchitectureFamily("timm", find, names, "Any network of timm, as timm calls it.")


def names():
    import timm

    return timm.list_models()


def find(name):
    """The architecture called `timm/name`, its facts read off a network without values; None where there is none."""
    import timm
    import torch
    from torch import nn

    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError:  # a tag that its network has no weights of
        config = None
    if not timm.is_model(name) or config is None:
        return None
    with torch.device("meta"):
        network = timm.create_model(name, num_classes=7)
        known = inspect.signature(type(network).__init__).parameters
        options = {"dynamic_img_size": True} if "dynamic_img_size" in known else {}
        if options:
            network = timm.create_model(name, num_classes=7, **options)
    classifier = network.get_classifier() if hasattr(network, "get_classifier") else None
    head = next((path for path, module in network.named_modules() if module is classifier), None)
    if not isinstance(classifier, nn.Linear) or head is None:
        raise skineval.UsageError(
            f"timm/{name} has no classifier of one linear layer, but {type(classifier).__name__}.",
            "Its embeddings cannot be had: choose another network.",
        )
    side = config.input_size[-1]
    fixed = bool(config.fixed_input_size) and not options
    patch = network.patch_embed.patch_size[0] if options else 1
    return skineval.Architecture(
        f"timm/{name}",
        partial(build, name=name, options=options),
        f"timm's {name}.",
        image_size=side,
        min_image_size=side if fixed else max(patch, 1 if options else 32),
        max_image_size=side if fixed else None,
        image_size_step=patch,
        head=head,
        cam_layer=last_maps(network, side),
        mean=tuple(config.mean),
        std=tuple(config.std),
        made_by=f"timm {timm.__version__}",
        n_parameters=sum(values.numel() for values in network.parameters()),
        bfloat16_on_cpu=not mostly_depthwise(network),
        fetch_weights=partial(fetch, name) if config.has_weights else None,
    )


def build(num_classes, *, weights, name, options):
    import timm

    given = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(fetch(name))}} if weights else {}
    return timm.create_model(name, num_classes=num_classes, **given, **options)


def fetch(name):
    """The file of timm's own weights, found in the cache or downloaded; raises WeightsError where it cannot be had."""
    import timm

    config = timm.get_pretrained_cfg(name)
    source = config.hf_hub_id or config.url
    try:
        if config.hf_hub_id:
            from huggingface_hub import hf_hub_download

            return Path(hf_hub_download(config.hf_hub_id, config.hf_hub_filename or "model.safetensors"))
        return Path(timm.models.download_cached_file(config.url))
    except Exception as error:
        raise skineval.WeightsError(
            f"timm's weights of {name} ({source}) cannot be had: {type(error).__name__}.",
            "Download them where there is a network, and name the file with --weights FILE; or use --weights none.",
        ) from error


def mostly_depthwise(network):
    """Whether bfloat16 is slow on CPUs: depthwise convolutions, among others that are convolutions, too."""
    from torch import nn

    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    dense = sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.Linear))
    depthwise = any(module.groups == module.in_channels > 1 for module in convolutions)
    return depthwise and sum(module.weight.numel() for module in convolutions) > dense


def last_maps(network, side):
    """The path of the module that returns the maps (N, C, h, w) which are pooled; "" where there is none."""
    import torch

    returned = {}
    handles = [
        module.register_forward_hook(lambda _, __, output, path=path: returned.update({path: output}))
        for path, module in network.named_modules()
        if path
    ]
    with torch.no_grad(), torch.device("meta"):
        maps = network.eval().forward_features(torch.zeros(1, 3, side, side))
    for handle in handles:
        handle.remove()
    if not isinstance(maps, torch.Tensor) or maps.ndim != 4 or maps.shape[1] != network.num_features:
        return ""
    return next((path for path in reversed(returned) if returned[path] is maps), "")
