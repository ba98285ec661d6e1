"""What a file's C2PA manifest says of its origin and edits, read and validated by c2pa-python, where that is installed.

Nothing is fetched from the net: manifests kept elsewhere and revocation lists are not asked for.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Provenance", "read_provenance"]

_LONGEST = 120  # characters of one value
_MOST = 40  # actions and ingredients that are listed
_GENERATIONS = 20  # manifests behind one another that are followed

_MIME = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
    "mov,mp4,m4a,3gp,3g2,mj2": "video/mp4",
    "avi": "video/avi",
}


@dataclass(frozen=True)
class Provenance:
    """A C2PA manifest. Who signed it claims what it says; it does not show that a picture is true, or that it is not."""

    #: "valid": signed, and nothing was changed since; "trusted": and the signer is on a trust list; "invalid": something was
    #: changed since, or the signature does not hold; "unreadable".
    state: str
    problems: tuple[str, ...] = ()  # C2PA's codes of what does not hold: "assertion.dataHash.mismatch", ...
    signer: str | None = None
    signed: str | None = None  # time of the signature, where a time-stamping authority vouches for it
    generator: str | None = None  # the program that made the manifest
    actions: tuple[str, ...] = ()  # what was done to the picture, oldest first: "c2pa.cropped, Photo Program 3"
    ingredients: tuple[str, ...] = ()  # names of the files it was made from


def read_provenance(file: Path, format: str) -> Provenance | None:
    """The manifest of a file of that format (Pillow's name, or FFmpeg's of a container).

    None where c2pa-python is not installed or cannot read the format.
    """
    mime = _MIME.get(format)
    try:
        import c2pa
    except (ImportError, OSError):  # the library it carries may be made for another system
        return None
    if mime is None:
        return None
    try:
        settings = c2pa.Settings.from_dict({"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}})
        with file.open("rb") as stream, c2pa.Context(settings) as context, c2pa.Reader(mime, stream, context=context) as reader:
            return _parse_store(json.loads(reader.json()))
    except Exception as error:  # whatever the library raises, facts are no reason to give up an inspection
        return Provenance("unreadable", problems=(" ".join(str(error).split())[:_LONGEST],))


def _parse_store(store: dict[str, Any]) -> Provenance:
    manifests = store.get("manifests", {})
    active = manifests.get(store.get("active_manifest"), {})
    signature = active.get("signature_info", {})
    made_with = (active.get("claim_generator_info") or [{}])[0]
    generator = f"{made_with.get('name', '')} {made_with.get('version', '')}".strip() or active.get("claim_generator")
    names = [name for name in (signature.get("common_name"), signature.get("issuer")) if name]
    ingredients = [str(part.get("title") or part.get("label") or "unnamed") for part in active.get("ingredients", [])]
    return Provenance(
        state=str(store.get("validation_state", "unreadable")).lower(),
        problems=tuple(dict.fromkeys(str(status.get("code")) for status in store.get("validation_status", []))),
        signer=", ".join(dict.fromkeys(names))[:_LONGEST] or None,
        signed=signature.get("time"),
        generator=generator[:_LONGEST] if generator else None,
        actions=tuple(_actions(manifests, active))[-_MOST:],
        ingredients=tuple(name[:_LONGEST] for name in ingredients[:_MOST]),
    )


def _actions(manifests: dict[str, Any], active: dict[str, Any]) -> list[str]:
    """The actions of a manifest and of those it was made from, oldest first."""
    actions: list[str] = []
    manifest: dict[str, Any] | None = active
    for _ in range(_GENERATIONS):
        if not manifest:
            break
        of_this = [
            _action_text(action)
            for assertion in manifest.get("assertions", [])
            if str(assertion.get("label", "")).startswith("c2pa.actions")
            for action in assertion.get("data", {}).get("actions", [])
        ]
        actions = of_this + actions
        parents = [part for part in manifest.get("ingredients", []) if part.get("relationship") == "parentOf"]
        manifest = manifests.get(parents[0].get("active_manifest")) if parents else None
    return actions


def _action_text(action: dict[str, Any]) -> str:
    """ "c2pa.created, Camera 7, digitalCapture": what was done, with which program, from what source."""
    agent = action.get("softwareAgent")
    agent = agent.get("name") if isinstance(agent, dict) else agent
    source = str(action.get("digitalSourceType", "")).rsplit("/", 1)[-1]
    return ", ".join(str(part) for part in (action.get("action"), agent, source, action.get("when")) if part)[:_LONGEST]
