# A Python of the functions' own version, where one is here: the layer's bytecode and a second pass of the tests need it.
LAMBDA_PYTHON ?= 3.13
# The first of these that runs and is of that version: on the path, or one that uv or pyenv knows.
CANDIDATES = python$(LAMBDA_PYTHON) $(firstword $(PIP)) python3 \
	"$$(uv python find $(LAMBDA_PYTHON) 2>/dev/null)" "$$(ls -d "$$HOME"/.pyenv/versions/$(LAMBDA_PYTHON).*/bin/python 2>/dev/null | tail -1)"
IS_IT = import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(LAMBDA_PYTHON)")
LAMBDA_PYTHON_HERE = $(shell for one in $(CANDIDATES); do "$$one" -c '$(IS_IT)' 2>/dev/null && echo "$$one" && break; done)
