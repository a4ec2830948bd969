"""An EM-like volume with known errors, made from a recipe: the bundled demo."""

from connectome.offline.synthetic.recipe import DemoRecipe, load_recipe
from connectome.offline.synthetic.volume import DemoVolumes, make_demo

__all__ = ["DemoRecipe", "DemoVolumes", "load_recipe", "make_demo"]
