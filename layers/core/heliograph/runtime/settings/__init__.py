"""The settings of each function: `<function>.py` names what that function reads of its environment, and nothing else.

What several functions read is in the other modules, cut so that no function loads what another reads. To give a
function one more setting: name it in its model, and give it in template.yaml (tests/contract/test_environments.py).
"""
