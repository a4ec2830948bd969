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
    "PAGE_STYLE",
    "SITE_SHADER",
    "hex_vec3",
    "probability_color",
]

COLOR_OTHER = "#8a8f98"
COLOR_UNJUDGED = "#c4c9d1"
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


def hex_vec3(color: str) -> str:
    """Return a ``#rrggbb`` colour as the shader writes it."""
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
  bool aside = (flags & 4) != 0;
  bool low = answer == 0 && p >= 0.0 && p < least;
  if (!current && (aside || low || (done && !decided))) discard;
  vec3 fill = p < 0.0 ? {hex_vec3(COLOR_UNJUDGED)} : scale(p);
  vec3 edge = failed ? {hex_vec3(COLOR_FAILED)} : vec3(0.04, 0.05, 0.07);
  float alpha = done && !current ? 0.35 : 0.95;
  // What is likely stands out; what nobody has judged yet steps back.
  bool waits = p < 0.0 && !failed && !current;
  float diameter = waits || done ? 0.6 * size : size * (0.6 + 0.4 * clamp(2.0 * p, 0.0, 1.0));
  float border = failed ? 2.5 : 1.5;
  if (waits) alpha *= 0.55;
  vec4 inside = vec4(fill, alpha);
  vec4 outside = vec4(edge, alpha);
  if (ring) {{
    inside = vec4(fill, 0.12);
    outside = vec4(failed ? edge : fill, alpha);
    border = waits ? 1.5 : 3.0;
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

# The page is one pane of a window: Neuroglancer's furniture steps back until it is needed.
PAGE_STYLE = """\
#neuroglancer-status-container {
  background: rgba(20, 22, 26, 0.82); color: #d7dade; font: 12px sans-serif;
  border-radius: 4px 4px 0 0; overflow: hidden; left: 50%; transform: translateX(-50%);
}
#neuroglancer-status-container li { width: auto; padding: 4px 8px; list-style: none; }
.neuroglancer-data-panel-layout-controls { opacity: 0.25; transition: opacity 0.15s; }
.neuroglancer-data-panel-layout-controls:hover { opacity: 1; }
.neuroglancer-data-panel-layout-controls > button { border-color: #8a8f98; }
.neuroglancer-display-dimensions-widget { opacity: 0.25; transition: opacity 0.15s; }
.neuroglancer-display-dimensions-widget:hover { opacity: 1; }
.perspective-panel-show-slice-views { opacity: 0.5; font: 12px sans-serif; }
.neuroglancer-panel { border: 0; }
/* Cross-hair on the centre of every panel, which is the viewer's position; a mesh
   can hide the current site in 3-D, but not this. */
.neuroglancer-rendered-data-panel::after {
  content: ""; position: absolute; left: calc(50% - 26px); top: calc(50% - 26px);
  width: 52px; height: 52px; pointer-events: none; background-repeat: no-repeat;
  background-image: linear-gradient(#fff, #fff), linear-gradient(#fff, #fff),
    linear-gradient(#fff, #fff), linear-gradient(#fff, #fff);
  background-size: 10px 1.5px, 10px 1.5px, 1.5px 10px, 1.5px 10px;
  background-position: 0 center, 100% center, center 0, center 100%;
  filter: drop-shadow(0 0 1px #000); opacity: 0.85;
}
"""
