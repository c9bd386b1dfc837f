"""Jupyter: a notebook's cells show and return what `render` gives."""

import nbformat
from nbclient import NotebookClient

CELLS = (
    """
import gymnasium, hrmgym
env = gymnasium.make("hrmgym/Katas-v0", render_mode="ansi", max_steps=3)
env.reset(seed=0)
text = env.render()
assert "def" in text, text
""",
    "print(text)",
    "env.step(env.action_space.sample()); env.render()",
    """
picture = gymnasium.make("hrmgym/Katas-v0", render_mode="rgb_array")
picture.reset(seed=0)
picture.render().shape
""",
)

notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
_, printed, shown, shape = [cell.outputs for cell in notebook.cells]
assert "katas" in printed[0].text
assert "katas" in shown[-1].data["text/plain"]
assert shape[-1].data["text/plain"].endswith("3)")
