"""Darker lines where one part stands before another, drawn on the GPU from its depths.

Without them two branches of one colour run into each other. A steep surface has no
line: what counts is how much the depth jumps, against how it goes on on the other side.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

__all__ = ["ink_pass", "set_ink"]

_SHADER = """
    fn depth_at(at: vec2i, last: vec2i) -> f32 {
        return textureLoad(depthTex, clamp(at, vec2i(0, 0), last), 0);
    }

    // How far a neighbour stands before this pixel, beyond what the slope explains; at
    // the rim, where the slope is not known, nothing.
    fn jump(here: f32, one: f32, other: f32) -> f32 {
        return select((here - one) - max(other - here, 0.0), 0.0, other >= 1.0);
    }

    @fragment
    fn fs_main(varyings: Varyings) -> @location(0) vec4<f32> {
        let at = vec2i(varyings.position.xy);
        let color = textureLoad(colorTex, at, 0);
        let here = textureLoad(depthTex, at, 0);
        if (here >= 1.0 || u_effect.strength <= 0.0) {
            return color;
        }
        let last = vec2i(textureDimensions(depthTex)) - vec2i(1, 1);
        let reach = i32(u_effect.reach);
        let left = depth_at(at - vec2i(reach, 0), last);
        let right = depth_at(at + vec2i(reach, 0), last);
        let above = depth_at(at - vec2i(0, reach), last);
        let below = depth_at(at + vec2i(0, reach), last);
        let most = max(
            max(jump(here, left, right), jump(here, right, left)),
            max(jump(here, above, below), jump(here, below, above)),
        );
        let line = smoothstep(u_effect.least, 3.0 * u_effect.least, most);
        return vec4<f32>(color.rgb * (1.0 - u_effect.strength * line), color.a);
    }
"""


@lru_cache(maxsize=1)
def _pass_class() -> Any:
    from pygfx.renderers.wgpu import EffectPass

    class InkPass(EffectPass):  # type: ignore[misc]
        """See the module."""

        USES_DEPTH = True
        uniform_type: ClassVar[dict[str, str]] = dict(
            EffectPass.uniform_type, strength="f4", reach="f4", least="f4"
        )
        wgsl = _SHADER

    return InkPass


def ink_pass() -> Any:
    """Return a pass for ``renderer.effect_passes``; it draws nothing before `set_ink`."""
    return _pass_class()()


def set_ink(effect: Any, strength: float, reach_px: int, least: float) -> None:
    """Say how the lines are drawn.

    Parameters
    ----------
    strength : float
        How much darker a line is, 0 to 1.
    reach_px : int
        How wide it is.
    least : float
        The jump that begins to show, in units of the whole range of depths.
    """
    effect._uniform_data["strength"] = strength
    effect._uniform_data["reach"] = float(reach_px)
    effect._uniform_data["least"] = least
