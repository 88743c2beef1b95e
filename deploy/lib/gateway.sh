# SPDX-License-Identifier: Apache-2.0
# The demo's gateway: narthexd and narthex-dataplane in the namespace nx-gateway.
# Sourced; the caller sets: records, build, config, and has die() and processes.sh.

log_lines() { if [ -e "$records/$1.log" ]; then wc -l <"$records/$1.log"; else echo 0; fi; }
log_since() { tail -n +"$(($2 + 1))" "$records/$1.log"; }   # name, line
ready_since() { log_since "$1" "$2" | has "$1: ready" || ! process_alive "$1"; }

# start_daemon NAME COMMAND...: returns when it says that it is ready.
start_daemon() {
	local name=$1 before; shift
	before=$(log_lines "$name")
	start_process "$name" nx-gateway "$@"
	until_true 20 ready_since "$name" "$before" || true
	log_since "$name" "$before" | has "$name: ready" ||
		die "$name did not start: $(log_since "$name" "$before" | tail -n 5)"
}

start_narthexd() { start_daemon narthexd "$build/control/narthexd" --config "$config"; }
start_dataplane() { start_daemon narthex-dataplane "$build/dataplane/narthex-dataplane" --instance narthex; }
ready_line() { grep "$1: ready" "$records/$1.log" | tail -n 1; }

write_config() {
	cat >"$config" <<-TOML
	# The demo's configuration; deploy/narthex.toml explains every key.
	instance = "narthex"
	uplinks = ["wan0"]

	[paths]
	state = "$state"

	[dataplane]
	idle_backoff = true

	[[zone]]
	name = "lobby"
	interface = "lan0"
	pools = ["10.51.1.0/24"]
	ipv6_prefixes = ["2001:db8:51:1::/64"]
	resolvers = ["198.51.100.10", "2001:db8:100::10"]
	network_name = "Stadium Wi-Fi"
	portal_url = "http://198.51.100.20/login"

	[[zone.garden]]
	prefix = "198.51.100.20/32"
	tcp = ["80", "443"]

	[[zone.garden]]
	prefix = "2001:db8:100::20/128"
	tcp = ["80", "443"]
	TOML
}
