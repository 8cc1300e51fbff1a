# Thin front of Meson. `make run` and `make test` install what they need on Debian 12; the other targets expect it to be there.
PYTHON := /usr/bin/python3
NINJA := ninja
CONFIG ?=

.PHONY: all run test test-long soak sim sim-steps sim-mutations model model-long quick plain debug asan fuzz check format bench-failover bench-k8s-cluster bench-kymastats bench-tick clean deps deps-test

all: build/release/build.ninja
	$(NINJA) -C build/release src/baton kubesim/kubesim
	@ln -sf src/baton build/release/baton

run: deps
	@$(MAKE) --no-print-directory all >build/make-run.log 2>&1 || { cat build/make-run.log; exit 1; }
ifneq ($(CONFIG),)
	exec build/release/baton --config $(CONFIG)
else
	@$(PYTHON) scripts/demo.py
endif

# Everything: builds with both compilers, unit tests (plain and with sanitizers), fuzzers, house rules, end-to-end suites.
test: deps-test
	@$(PYTHON) tests/run.py

# What takes too long for `test`: the end-to-end suites with jitter, the fault suite at the default durations, and an hour of soak beside it
test-long: deps-test sim-mutations model-long
	@$(MAKE) --no-print-directory sim SEEDS=20000 FIRST=100001
	@$(PYTHON) tests/run.py --long

# The model of the election: properties and mutations, and with many more states
model: deps-test
	@$(PYTHON) tests/model/run.py
model-long: deps-test
	@$(PYTHON) tests/model/run.py --long

# Three replicas on the real API server, random faults. SEED=n replays the choice of faults
soak: deps-test all
	@sh tests/peers/build.sh build/peers
	@$(PYTHON) tests/soak/soak.py --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

# The part of `test` that takes seconds: unit tests and house rules.
quick:
	@$(PYTHON) tests/run.py --quick

# The world in virtual time (docs/simulation.md). SEEDS: how many, from FIRST on; MINUTES: simulated, each
SEEDS ?= 200
FIRST ?= 1
sim: build/plain/build.ninja
	@$(NINJA) -C build/plain tests/sim/sim >/dev/null
	@build/plain/tests/sim/sim --first $(FIRST) --seeds $(SEEDS) --minutes $(or $(MINUTES),60)

# Each mutation of the code must be noticed within 200 seeds.
# The same worlds, and each step of their election machines must be one of the model's (docs/election.md)
sim-steps: build/plain/build.ninja
	@$(NINJA) -C build/plain tests/sim/sim tests/sim/sim_steps >/dev/null
	@rm -f build/plain/steps
	@STEPS=build/plain/steps build/plain/tests/sim/sim_steps --first $(FIRST) --seeds $(SEEDS) --minutes $(or $(MINUTES),60); \
		status=$$?; $(PYTHON) tests/model/check_trace.py build/plain/steps && exit $$status

sim-mutations: build/plain/build.ninja
	@$(NINJA) -C build/plain tests/sim/sim >/dev/null
	@$(PYTHON) tests/sim/mutations.py

# gcc, optimised, no link-time optimisation: unit tests without sanitizers
plain: build/plain/build.ninja
	$(NINJA) -C build/plain

debug: build/debug/build.ninja
	$(NINJA) -C build/debug

asan: build/asan/build.ninja
	$(NINJA) -C build/asan

# The fuzzers are part of the build with sanitizers.
fuzz: asan

check: plain
	$(PYTHON) scripts/check_house.py build/plain

format:
	git ls-files '*.c' | xargs clang-format -i

# PODS: with k8s_cluster, and so many in the cluster
bench-failover: deps-test all
	@$(PYTHON) bench/failover.py $(if $(PODS),--pods $(PODS))

# PODS: how many on the real server (10,000); SIZES: on kubesim
SIZES ?= 1000,10000,100000
bench-k8s-cluster: deps-test all
	@$(NINJA) -C build/release bench/bench_tick >/dev/null
	@$(PYTHON) bench/k8s_cluster.py --pods $(or $(PODS),10000) --sizes $(SIZES)

# OBJECTS: how many custom resources, one size after the other
OBJECTS ?= 100,1000,20000
bench-kymastats: deps-test all
	@$(PYTHON) bench/kymastats.py --sizes $(OBJECTS)

# Stages of the way of a tick from batch to wire
bench-tick: deps-test all
	@$(NINJA) -C build/release bench/bench_tick >/dev/null
	@$(PYTHON) bench/tick.py

clean:
	rm -rf build/release build/debug build/asan build/plain

deps:
	@mkdir -p build
	@sh scripts/install-deps.sh build

deps-test:
	@mkdir -p build
	@sh scripts/install-deps.sh build test

build/release/build.ninja:
	meson setup build/release -Doptimization=2 -Ddebug=false -Db_lto=true >/dev/null
build/debug/build.ninja:
	meson setup build/debug --buildtype=debug >/dev/null
# clang, as gcc's sanitizers bring warnings about code that cannot be reached
build/asan/build.ninja:
	CC=clang meson setup build/asan --buildtype=debugoptimized -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
build/plain/build.ninja:
	meson setup build/plain --buildtype=debugoptimized >/dev/null
