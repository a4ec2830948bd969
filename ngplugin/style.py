"""How sites and segments look, here and in whatever else shows them.

Colour never stands alone: split-error sites are discs, merge-error sites rings, the
current one is a large white ring that leaves the place itself visible, and decided ones
are small and faded. The probability scale runs from blue-violet to yellow with steadily
rising lightness, so that it reads the same to colour-blind eyes; red is for failures
only.
"""

from __future__ import annotations

from itertools import pairwise

from rendering.spec import COLOR_A, COLOR_B

__all__ = [
    "COLOR_A",
    "COLOR_B",
    "COLOR_FAILED",
    "COLOR_OTHER",
    "COLOR_UNJUDGED",
    "EM_SHADER",
    "SITE_SHADER",
    "probability_color",
]

COLOR_OTHER = "#8a8f98"
COLOR_UNJUDGED = "#a9adb3"
COLOR_FAILED = "#e5484d"

# Steps of probability and their colours (r, g, b from 0 to 1).
SCALE: tuple[tuple[float, tuple[float, float, float]], ...] = (
    (0.0, (0.365, 0.310, 0.635)),
    (0.25, (0.267, 0.478, 0.675)),
    (0.5, (0.208, 0.651, 0.604)),
    (0.75, (0.580, 0.827, 0.376)),
    (1.0, (0.992, 0.906, 0.145)),
)


def probability_color(probability: float) -> str:
    """Return the ``#rrggbb`` of a probability from 0 to 1, as the site layer paints it."""
    steps = list(pairwise(SCALE))
    (low, first), (high, last) = next((s for s in steps if probability <= s[1][0]), steps[-1])
    share = min(max((probability - low) / (high - low), 0.0), 1.0)
    mixed = [a + (b - a) * share for a, b in zip(first, last, strict=True)]
    return "#" + "".join(f"{round(255 * value):02x}" for value in mixed)


def _vec3(color: tuple[float, float, float]) -> str:
    return "vec3({:.3f}, {:.3f}, {:.3f})".format(*color)


def _hex_vec3(color: str) -> str:
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return _vec3((red, green, blue))


def _scale_glsl() -> str:
    lines = [f"vec3 c = {_vec3(SCALE[0][1])};"]
    lines += [
        f"c = mix(c, {_vec3(color)}, clamp((p - {low:.2f}) / {high - low:.2f}, 0.0, 1.0));"
        for (low, _), (high, color) in pairwise(SCALE)
    ]
    return "\n  ".join(lines)


# Kinds, answers and flags are numbered in `ngplugin.store`.
SITE_SHADER = f"""\
#uicontrol float least slider(min=0, max=1, default=0)
#uicontrol bool decided checkbox(default=true)
#uicontrol float size slider(min=4, max=24, default=11)
vec3 scale(float p) {{
  {_scale_glsl()}
  return c;
}}
void main() {{
  float p = prop_probability();
  int answer = int(prop_answer());
  int flags = int(prop_flags());
  bool current = (flags & 1) != 0;
  bool failed = (flags & 2) != 0;
  bool ring = int(prop_kind()) >= 2;
  bool done = answer == 1 || answer == 2 || answer == 5;
  if (!current && ((p >= 0.0 && p < least) || (done && !decided))) discard;
  vec3 fill = p < 0.0 ? {_hex_vec3(COLOR_UNJUDGED)} : scale(p);
  vec3 edge = failed ? {_hex_vec3(COLOR_FAILED)} : vec3(0.04, 0.05, 0.07);
  float alpha = done && !current ? 0.35 : 0.95;
  float diameter = (p < 0.0 && !current) || done ? 0.75 * size : size;
  float border = failed ? 2.5 : 1.5;
  vec4 inside = vec4(fill, alpha);
  vec4 outside = vec4(edge, alpha);
  if (ring) {{
    inside = vec4(fill, 0.12);
    outside = vec4(failed ? edge : fill, alpha);
    border = 3.0;
    diameter *= 1.15;
  }}
  if (current) {{
    inside = vec4(fill, 0.15);
    outside = vec4(1.0, 1.0, 1.0, 1.0);
    border = 2.5;
    diameter = size * 2.2;
  }}
  setPointMarkerSize(diameter);
  setPointMarkerBorderWidth(border);
  setPointMarkerColor(inside);
  setPointMarkerBorderColor(outside);
}}
"""

EM_SHADER = """\
#uicontrol invlerp normalized
void main() {
  emitGrayscale(normalized());
}
"""
