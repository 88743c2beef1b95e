# SPDX-License-Identifier: Apache-2.0
# What the demo shows, step by step. Sourced by deploy/demo.

fetch=(curl -s -i --max-time 5)
narthexctl=$build/control/narthexctl
origin4=http://198.51.100.10/ origin6='http://[2001:db8:100::10]/'
streams=(4 6)

tell_story() {
	client_meets_511
	client_is_authorised 10.51.1.2 "$origin4"
	session_ends 10.51.1.2 "$origin4"
	step "The same over IPv6"
	show_head client "${fetch[@]}" "$origin6"
	check "the request was answered with 511" output_has '511 Network Authentication Required'
	client_is_authorised 2001:db8:51:1::2 "$origin6"
	session_ends 2001:db8:51:1::2 "$origin6"
	everything_fails_in_turn
}

client_meets_511() {
	step "A client that has not logged in"
	show client "${fetch[@]}" -H 'Host: api.example.test' "${origin4}captive-portal-check"
	check "status line with its reason phrase" output_has 'HTTP/1.1 511 Network Authentication Required'
	check "never stored by a cache" output_has 'Cache-Control: no-store'
	check "says what to do" output_has 'Network login required.'
	check "links to the login page" output_has 'http://198.51.100.20/login'
	show client curl -s --max-time 5 http://198.51.100.20/login
	check "the login page is reachable (walled garden)" output_has 'login page of the portal'
	show client curl -sS --max-time 5 https://198.51.100.10/
	check "HTTPS cannot be intercepted: refused at once" exited_with 7
	show host "$narthexctl" explain 10.51.1.2
	check "narthexctl explains it" exited_with 0
}

client_is_authorised() {   # address, url
	step "$1 is authorised"
	show host "$narthexctl" session authorize "$1" --for 1h
	check "authorised" exited_with 0
	check "on disk and in the classifier's map when answered" output_has 'in force after'
	show client "${fetch[@]}" "$2"
	check "the same request is answered by the origin's nginx" output_has 'This is the origin'
	check "and it is a 200" output_has 'HTTP/1.1 200 OK'
}

session_ends() {   # address, url
	step "The session of $1 ends"
	show host "$narthexctl" session terminate "$1" --yes
	check "terminated" exited_with 0
	show_head client "${fetch[@]}" "$2"
	check "the 511 again" output_has '511 Network Authentication Required'
}

# ---- failures -----------------------------------------------------------------------------

everything_fails_in_turn() {
	step "What fails while authorised streams run, 2,000 packets a second each"
	show host "$narthexctl" session authorize 10.51.1.2 2001:db8:51:1::2 --for 1h
	check "client .2 is authorised, with both addresses" exited_with 0
	start_traffic
	dataplane_is_killed
	narthexd_is_killed
	both_are_killed
	narthexd_is_upgraded
	judge_traffic
	show host "$narthexctl" session list
	check "the session survived all of it" output_has 10.51.1.2
}

start_traffic() {
	local origin client
	start_tool watch nx-internet watch --interface i0 --client 10.51.1.3 --client 2001:db8:51:1::3
	for family in "${streams[@]}"; do
		if [ "$family" = 4 ]; then origin=198.51.100.10 client=10.51.1.; else origin=2001:db8:100::10 client=2001:db8:51:1::; fi
		start_tool "echo$family" nx-internet stream echo --bind $origin --port 7000
		start_tool "authorised$family" nx-client stream send --from ${client}2 --to $origin --port 7000 --rate 2000
		start_tool "stranger$family" nx-client stream send --from ${client}3 --to $origin --port 7000 --rate 200
	done
	fact streams ".2 (authorised) and .3 (not) send to the origin, IPv4 and IPv6; a watcher stands behind the gateway"
}

start_tool() {   # name, namespace, program, arguments
	local name=$1 ns=$2 program=$3; shift 3
	start_process "$name" "$ns" "$here/lib/$program" "$@" --report "$records/$name.json"
	until_true 5 grep -q ready "$records/$name.log" || die "$name did not start: $(cat "$records/$name.log")"
}

milliseconds() { echo $(((${EPOCHREALTIME/./} - $1) / 1000)); }
stranger_gets_511() { in_ns nx-client curl -s -o /dev/null --max-time 0.3 -w '%{http_code}' --interface 10.51.1.3 "$origin4" | has 511; }
until_511() { until_true "$1" stranger_gets_511; }

killed() {   # process name
	local pid; pid=$(process_pid "$1")
	command_line gateway "kill -9 $pid    # $1"
	end_process "$1" KILL
}

# started NAME FUNCTION: starts it again, and shows how long a client waits for its 511.
started() {
	local began=${EPOCHREALTIME/./}
	command_line gateway "$1 ..."
	"$2"
	check "511 again $(until_511 2 || true; milliseconds "$began") ms after the start of $1" [ "$(milliseconds "$began")" -lt 1000 ]
}

dataplane_is_killed() {
	killed narthex-dataplane
	show client curl -sS --max-time 1 --interface 10.51.1.3 "$origin4"
	check "without a dataplane a stranger gets nothing, and nowhere" exited_with 28
	started narthex-dataplane start_dataplane
}

narthexd_is_killed() {
	killed narthexd
	show client curl -s -o /dev/null -w '%{http_code}\n' --max-time 2 --interface 10.51.1.3 "$origin4"
	check "without narthexd a stranger still gets the 511" output_has 511
	show host "$narthexctl" session list
	check "and logins say clearly that it is away" exited_with 4
	command_line gateway "narthexd ..."
	start_narthexd
	check "the 511 goes on after its restart" until_511 2
}

both_are_killed() {
	killed narthexd
	killed narthex-dataplane
	show client curl -sS --max-time 1 --interface 10.51.1.3 "$origin4"
	check "without both a stranger gets nothing, and nowhere" exited_with 28
	start_narthexd
	started narthex-dataplane start_dataplane
}

narthexd_is_upgraded() {
	local before after
	before=$(program_id)
	command_line gateway "kill $(process_pid narthexd); narthexd ...    # an upgrade: the new program replaces the old one in its link"
	end_process narthexd
	start_narthexd
	after=$(program_id)
	check "the classifier was replaced in place (program $before -> $after)" [ "$before" != "$after" ]
}

program_id() { in_ns nx-gateway ip -d link show dev lan0 | sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p'; }

number() { sed -n "s/.*\"$2\": \([0-9.]*\).*/\1/p" "$records/$1.json"; }

stop_traffic() {
	local family
	for family in "${streams[@]}"; do end_process "authorised$family"; end_process "stranger$family"; end_process "echo$family"; done
	end_process watch
}

judge_traffic() {
	local family
	stop_traffic
	say
	printf '   %-26s %10s %10s %10s %16s\n' stream sent answered lost 'longest gap'
	for family in "${streams[@]}"; do
		printf '   %-26s %10s %10s %10s %13s ms\n' "authorised, IPv$family" "$(number "authorised$family" sent)" \
			"$(number "authorised$family" answered)" "$(number "authorised$family" lost)" "$(number "authorised$family" longest_silence_ms)"
		printf '   %-26s %10s %10s\n' "not authorised, IPv$family" "$(number "stranger$family" sent)" "$(number "stranger$family" answered)"
	done
	fact "behind the gateway" "$(number watch frames) packets seen, $(number watch leaked) of the client that is not authorised"
	for family in "${streams[@]}"; do
		check "IPv$family: 0 authorised packets lost of $(number "authorised$family" sent)" lost_nothing "authorised$family"
		check "IPv$family: the stranger sent $(number "stranger$family" sent) and got nothing through" got_nothing "stranger$family"
	done
	check "the watcher saw the streams, missed nothing, and saw no leak" nothing_leaked
}

lost_nothing() { [ "$(number "$1" lost)" = 0 ] && [ "$(number "$1" sent)" -gt 2000 ]; }
got_nothing() { [ "$(number "$1" answered)" = 0 ] && [ "$(number "$1" sent)" -gt 200 ]; }
nothing_leaked() {
	[ "$(number watch leaked)" = 0 ] && [ "$(number watch overlooked)" = 0 ] &&
		[ "$(number watch frames)" -gt "$(number authorised4 sent)" ]
}
