# The doors for people; what is more than a line behind them lives in tools/, bench/ and conformance/.
.DEFAULT_GOAL := help
.PHONY: help run test test-long bench bench-chat bench-check bench-doors bench-files bench-scaling fmt screenshots

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build the page and the server and start it, data in ./data
	tools/page
	cargo build --profile dist --package chaski
	exec target/dist/chaski serve --data ./data

test: ## Install what is missing and run everything (under half an hour on two cores)
	tools/test

test-long: ## The same with hundreds of kills, long fuzzing and many more random cases
	tools/test --long

bench: ## Compare the speed with RabbitMQ's and with the machine's own floors
	cargo build --profile dist --package chaski
	bench/compare.py

bench-scaling: ## Measure how costs grow with shards, queues, connections and queued messages
	cargo build --profile dist --package chaski
	bench/scaling.py

bench-doors: ## Measure REST, server-sent events and gRPC beside AMQP
	cargo build --profile dist --package chaski
	bench/doors.py

bench-chat: ## Compare the chat with ngircd and ejabberd
	cargo build --profile dist --package chaski
	bench/chat.py

bench-files: ## Compare files between peers with rsync, aria2 and bare TCP
	cargo build --profile dist --package chaski
	bench/files.py

bench-check: ## Count the instructions of the hot path and fail past 5 % more than the baselines
	bench/check.py

screenshots: ## Make pictures of every view of the page, in target/screenshots
	tools/page --needed
	cargo build --profile dist --package chaski
	cd conformance/browser && npm ci --silent --no-audit --no-fund && CHASKI_BIN=../../target/dist/chaski node screenshots.js

fmt: ## Format the code
	cargo fmt --all
