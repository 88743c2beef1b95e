# SPDX-License-Identifier: Apache-2.0
"""A new set of ten thousand rules put in force under load (P11)."""
import threading

from lab.process import until
from suite.figures import LOWER, Goal, number
from suite.intercept import transactions
from suite.subjects import RULES, WithRules, host_rules

IN_FLIGHT = 2  # the CPUs have time left for the daemons
ASKED = "www.example.com"  # the host that the generator's requests name


def hits(narthex, name):
    listed = narthex.gateway.json("rules", "list")
    return sum(int(rule["hits"]) for rule in listed["rules"] if rule["name"] == name)


def reload_once(narthex, generation):
    """Seconds from the command to the new set in force at the worker. Its last rule names the host that is
    asked for: that it is hit shows which set decides."""
    name = f"asked-{generation}"
    asked = f'[[rule]]\nname = "{name}"\nhost = "{ASKED}"\nrespond = "511"\n'
    narthex.rules_file.write_text(host_rules(RULES - 1).replace("www.host", f"www.host{generation}") + asked)
    done = narthex.gateway.json("reload")
    assert done["changed"] and done["workers_in_force"] == done["workers_running"] == 1, done
    assert until(lambda: hits(narthex, name), 2), f"no request met the rules of generation {generation}"
    return float(done["in_force_after"].rstrip("s"))


def measure_reload(bench):
    """P11: requests go on meanwhile, and each of them is answered."""
    bench.say(f"P11: a new set of {RULES:,} rules under load")
    rounds = 3 if bench.quick else 9
    result = {}
    with WithRules(bench.directory / "rules", bench.load, bench.build) as narthex:
        narthex.resume()
        load = threading.Thread(target=lambda: result.update(transactions(narthex, 4 + 3 * rounds, in_flight=IN_FLIGHT)))
        load.start()
        try:
            times = [reload_once(narthex, generation) for generation in range(1, rounds + 1)]
            covered = load.is_alive()
        finally:
            load.join()
    taken = bench.figure("P11: 10,000 new rules in force under load", "s", times)
    lost = bench.figure("P11: requests not answered by a 511 meanwhile", "requests", [sum(result["bad"].values())])
    note = f"{result['completed']:,} requests at {number(result['rate'])} /s{'' if covered else '; THE LOAD ENDED BEFORE THE LAST RELOAD DID'}"
    bench.goals.append(Goal("P11", "a new set of 10,000 rules in force", 1, LOWER, taken, f"narthexctl reload's own account, {rounds} reloads"))
    bench.goals.append(Goal("P11", "requests lost meanwhile", 0, LOWER, lost, note))
