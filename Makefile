# Each target does all of its own set-up; the first run downloads, later ones start in seconds.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
# Words for the demo, for instance: make demo ARGS="--agents 5000 --keep"
ARGS ?=

.PHONY: demo test check bench clean

demo: node_modules/.installed
	@bin/changeover.js demo $(ARGS)

test: node_modules/.installed
	@npm test --silent $(if $(ARGS),-- $(ARGS))

# Everything that needs no servers: format, lint, types, import directions, generated files.
check: node_modules/.installed
	@npm run check --silent

bench: node_modules/.installed
	@npm run bench --silent $(if $(ARGS),-- $(ARGS))

node_modules/.installed: package-lock.json
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

clean:
	rm -rf node_modules dist
