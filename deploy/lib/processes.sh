# SPDX-License-Identifier: Apache-2.0
# Processes by record files. $records/NAME.process holds "PID START WORD": START is the kernel's
# start time of that pid and WORD must occur in its command line, so a pid that was used again
# by something else is never signalled.
# Sourced; the caller sets `records`.

in_ns() { local ns=$1; shift; nsenter --net="/run/netns/$ns" -- "$@"; }

# ... | has WORDS: grep -qF behind a pipe would end the writer by SIGPIPE, which pipefail takes for
# a failure; this one reads to the end.
has() { grep -F -- "$1" >/dev/null; }

# Field 22 of /proc/PID/stat, counted behind the command's closing parenthesis.
start_time() { local stat; stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1; stat=${stat##*) }; set -- $stat; echo "${20}"; }

# until_true SECONDS COMMAND...: polls until the command succeeds.
until_true() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000)); shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt "$deadline" ] || return 1
		sleep 0.02
	done
}

runs_program() { { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null | has "$2"; }

process_alive() {   # name
	local pid start word
	[ -e "$records/$1.process" ] && read -r pid start word <"$records/$1.process" || return 1
	[ "$(start_time "$pid")" = "$start" ] && runs_program "$pid" "$word" &&
		[ "$(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null)" != Z ]
}

process_pid() { local pid; read -r pid _ <"$records/$1.process" && echo "$pid"; }

# start_process NAME NAMESPACE COMMAND...: in its own session, output to $records/NAME.log.
start_process() {
	local name=$1 ns=$2; shift 2
	setsid nsenter --net="/run/netns/$ns" -- "$@" >>"$records/$name.log" 2>&1 </dev/null 9>&- &
	local pid=$!
	disown "$pid"
	printf '%s %s %s\n' "$pid" "$(start_time "$pid")" "$(basename "$1")" >"$records/$name.process"
	until_true 5 runs_program "$pid" "$(basename "$1")" || true
}

process_gone() { ! process_alive "$1"; }

# end_process NAME [SIGNAL]: ends exactly that process; -KILL if it does not go.
end_process() {
	local pid
	if process_alive "$1"; then
		pid=$(process_pid "$1")
		kill -"${2:-TERM}" "$pid" 2>/dev/null || true
		if ! until_true 8 process_gone "$1"; then
			kill -KILL "$pid" 2>/dev/null || true
			until_true 5 process_gone "$1" || true
		fi
	fi
	rm -f "$records/$1.process"
}
