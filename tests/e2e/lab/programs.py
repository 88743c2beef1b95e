# SPDX-License-Identifier: Apache-2.0
"""Clients that systems bring along, beyond those of lab.clients, and one that writes raw bytes."""
import json

from lab.clients import Response, curl, parse_response, python_urllib, wget

HTTP_CLIENT = """
import http.client, sys, urllib.parse
parts = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=3)
connection.request("GET", parts.path)
answer = connection.getresponse()
body = answer.read()
print("HTTP/1.%d" % (answer.version % 10), answer.status, answer.reason)
print(answer.headers.as_string().strip())
print()
sys.stdout.write(body.decode())
"""

TINY = """
use HTTP::Tiny;
my $answer = HTTP::Tiny->new(timeout => 3)->get($ARGV[0]);
print "$answer->{protocol} $answer->{status} $answer->{reason}\\n";
print "$_: $answer->{headers}{$_}\\n" for sort keys %{$answer->{headers}};
print "\\n$answer->{content}";
"""

NODE = """
const http = require("http");
const request = http.get(process.argv[1], answer => {
  let body = "";
  answer.setEncoding("utf8");
  answer.on("data", data => body += data);
  answer.on("end", () => {
    let text = `HTTP/${answer.httpVersion} ${answer.statusCode} ${answer.statusMessage}\\n`;
    for (const [name, value] of Object.entries(answer.headers)) text += `${name}: ${value}\\n`;
    process.stdout.write(text + "\\n" + body);
  });
});
request.setTimeout(3000, () => request.destroy(new Error("timed out")));
request.on("error", error => { console.error(error.message); process.exitCode = 1; });
"""

# Says what happened to the connection: 0 the stream ended, 1 it was reset, 3 nothing came in time.
EXCHANGE = """
import json, select, socket, sys
address, seconds, half_close, late = json.loads(sys.argv[1])
connection = socket.create_connection((address, 80), timeout=seconds)
data, code, problem = b"", 0, ""
try:
    connection.sendall(sys.stdin.buffer.read())
    if half_close: connection.shutdown(socket.SHUT_WR)
    if late:
        # Until the FIN is here, unread behind the response.
        poll = select.poll()
        poll.register(connection, select.POLLRDHUP)
        assert poll.poll(seconds * 1000), "the response did not come"
    while piece := connection.recv(65536): data += piece
except TimeoutError: code = 3
except OSError as error: code, problem = 1, str(error)
sys.stdout.buffer.write(json.dumps([code, problem]).encode() + b"\\n" + data)
"""


def python_http_client(hosts, url):
    done = hosts.on_client("/usr/bin/python3", "-c", HTTP_CLIENT, url)
    return parse_response(done.returncode, done.stdout, done.stderr)


def perl_http_tiny(hosts, url):
    """HTTP::Tiny is one of perl's own modules."""
    done = hosts.on_client("/usr/bin/perl", "-e", TINY, url)
    return parse_response(done.returncode, done.stdout, done.stderr)


def node_http(hosts, url):
    done = hosts.on_client("node", "-e", NODE, url)
    return parse_response(done.returncode, done.stdout, done.stderr)


def exchange(hosts, address, data, seconds=3, half_close=False, late=False):
    """Writes bytes to port 80 and reads to the end of the stream, by a kernel's TCP."""
    path = hosts.directory / "exchange"
    path.write_bytes(data)
    arguments = json.dumps([address, seconds, half_close, late])
    script = 'exec /usr/bin/python3 -c "$1" "$2" <"$3"'
    done = hosts.on_client("sh", "-c", script, "sh", EXCHANGE, arguments, path)
    assert done.returncode == 0, done.stderr
    outcome, _, text = done.stdout.partition("\n")
    code, problem = json.loads(outcome)
    return parse_response(code, text, problem) if text else Response(code, errors=problem)


PROGRAMS = [curl, wget, python_urllib, python_http_client, perl_http_tiny, node_http]
