# SPDX-License-Identifier: Apache-2.0
# What the demo prints. Sourced.

bold='' plain='' red='' green='' dim=''
if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m' red=$'\e[31m' green=$'\e[32m' dim=$'\e[2m'; fi
widest_line=110
checks=0 failures=0 step_number=0

say() { printf '%s\n' "$*"; }
step() { step_number=$((step_number + 1)); printf '\n%s%d. %s%s\n' "$bold" "$step_number" "$*" "$plain"; }
fact() { printf '   %-22s %s\n' "$1" "$2"; }
command_line() { printf '   %s%s$%s %s\n' "$dim" "$1" "$plain" "$2"; }
output_line() { printf '   %s| %s%s\n' "$dim" "$plain" "$1"; }

# show HOST COMMAND...: prints command and output; leaves them in $output and $status. A program
# of the build is shown by its name. show_head prints what comes before the first empty line, and
# how much comes after it.
show() { run_shown "$@"; print_output; }
show_head() {
	run_shown "$@"
	local whole=$output body=${output#*$'\n\n'}
	output=${output%%$'\n\n'*}
	print_output
	[ "$body" = "$whole" ] || output_line "($(wc -l <<<"$body") lines of the page)"
	output=$whole
}

run_shown() {
	local host=$1 words='' word; shift
	for word; do
		word=${word#"$build"/control/}
		case $word in *[\ \;\&\|%]*) word="'$word'" ;; esac
		words+="$word "
	done
	command_line "$host" "${words% }"
	status=0
	if [ "$host" = host ]; then output=$("$@" 2>&1) || status=$?; else output=$(in_ns "nx-$host" "$@" 2>&1) || status=$?; fi
	output=${output//$'\r'/}
}

print_output() {
	local line
	while IFS= read -r line; do
		[ ${#line} -le $widest_line ] || line="${line:0:$widest_line} [...]"
		output_line "$line"
	done <<<"$output"
}

# check WORDS COMMAND...: a step of the story holds if the command succeeds.
check() {
	local words=$1; shift
	checks=$((checks + 1))
	if "$@"; then printf '   %sok%s      %s\n' "$green" "$plain" "$words"; else
		failures=$((failures + 1))
		printf '   %sFAILED%s  %s\n' "$red" "$plain" "$words"
	fi
}

output_has() { grep -qF -- "$1" <<<"$output"; }
exited_with() { [ "$status" = "$1" ]; }
