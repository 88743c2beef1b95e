// SPDX-License-Identifier: Apache-2.0
// narthex-load: a load generator for gateways, of packets instead of sockets, because a kernel's
// TCP client costs more than what it would measure. bench/README.md tells how to use it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "client.h"
#include "latency.h"
#include "one_way.h"
#include "options.h"

namespace narthex::load {
namespace {

using Action = std::function<nlohmann::json(const Options&)>;

void AddCommon(CLI::App& command, Options& options) {
  command.add_option("--interface", options.interface, "where the programs are attached")
      ->required();
  command.add_option("--report", options.report, "write the figures as JSON to this file");
  command.add_flag("--quiet", options.quiet, "no progress");
}

void AddEnds(CLI::App& command, Options& options) {
  command.add_option("--gateway-mac", options.gateway_mac, "of the frames' receiver")->required();
  command.add_option("--server", options.server, "IPv4 address")->capture_default_str();
  command.add_option("--port", options.port)->capture_default_str();
  command.add_option("--first-client", options.first_client, "IPv4 address")->capture_default_str();
  command.add_option("--clients", options.clients, "addresses from the first one on")
      ->check(CLI::Range(1u, 1u << 24))
      ->capture_default_str();
  command.add_option("--seconds", options.seconds)
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  command.add_option("--count", options.count, "end after so many; 0: when the time is up");
}

void AddTransactions(CLI::App& command, Options& options) {
  command.add_option("--in-flight", options.in_flight, "connections at once")
      ->check(CLI::Range(0, LOAD_MAX_SLOTS))
      ->capture_default_str();
  command.add_option("--request", options.request, "a file with the request's bytes");
  command.add_option("--method", options.method, "of the built-in request")->capture_default_str();
  command.add_option("--status", options.status, "that a response must have; '' for any")
      ->capture_default_str();
  command
      .add_option("--timeout", options.timeout_s, "seconds until a connection counts as incomplete")
      ->check(CLI::Range(0.01, 600.0))
      ->capture_default_str();
  command.add_flag("--verify", options.verify, "check every byte of every response, slower");
  command.add_flag("--partial-checksums", options.partial_checksums,
                   "do not verify TCP checksums: a kernel on veth leaves them to the card");
}

int Report(const Options& options, const nlohmann::json& figures) {
  std::printf("%s\n", figures.dump(2).c_str());
  if (options.report.empty()) return 0;
  std::ofstream file(options.report);
  file << figures.dump(2) << "\n";
  return file.flush() ? 0 : throw std::runtime_error("cannot write " + options.report);
}

int Main(int argc, char** argv) {
  CLI::App app{"Packet load generator: XDP programs at the client's end of a link."};
  app.require_subcommand(1);
  Options options;
  Action action;
  const auto add = [&](const char* name, const char* words, Action run) {
    CLI::App* command = app.add_subcommand(name, words);
    command->callback([&action, run] { action = run; });
    AddCommon(*command, options);
    return command;
  };
  CLI::App* transactions =
      add("transactions", "SYN, GET, response, FIN, in a closed loop", RunTransactions);
  AddEnds(*transactions, options);
  AddTransactions(*transactions, options);
  CLI::App* flood = add("syn-flood", "spoofed SYNs, and transactions beside them", RunSynFlood);
  AddEnds(*flood, options);
  AddTransactions(*flood, options);
  flood->add_option("--sources", options.flood_sources, "prefix of the spoofed sources")
      ->required();
  flood
      ->add_option("--flood-in-flight", options.flood_in_flight,
                   "SYNs at once: each SYN-ACK draws the next, as fast as the gateway answers")
      ->check(CLI::Range(1, 192))
      ->capture_default_str();
  flood->add_flag("--open-loop", options.open_loop, "do not wait for answers: the ring overflows");
  CLI::App* forward = add("forward", "one-way UDP of many clients", RunForward);
  AddEnds(*forward, options);
  forward->add_option("--bytes", options.frame_bytes, "of a frame, without FCS")
      ->capture_default_str();
  forward->add_option("--rate", options.rate, "a second; 0: as fast as possible")
      ->capture_default_str();
  CLI::App* circle =
      add("circulate", "a few frames through the gateway and back by a link beside it", RunCircle);
  AddEnds(*circle, options);
  circle->add_option("--to", options.to, "interface by which they leave again")->required();
  circle->add_option("--bytes", options.frame_bytes, "of a frame, without FCS")
      ->capture_default_str();
  circle->add_option("--in-flight", options.in_flight, "frames")
      ->check(CLI::Range(1, 192))
      ->capture_default_str();
  CLI::App* latency = add("latency", "one kernel client, one request after the other", RunLatency);
  AddEnds(*latency, options);
  latency->add_option("--request", options.request, "a file with the request's bytes");
  latency->add_option("--status", options.status, "that a response must have")
      ->capture_default_str();
  CLI::App* sink = add("sink", "count and drop what `forward` sends, until SIGTERM",
                       [](const Options& o) { return RunAttached(o, "sink"); });
  sink->add_option("--port", options.port)->capture_default_str();
  CLI::App* redirect =
      add("redirect", "throw a flow across, as a bare XDP program does, until SIGTERM",
          [](const Options& o) { return RunAttached(o, "bounce"); });
  redirect->add_option("--port", options.port)->capture_default_str();
  redirect->add_option("--to", options.to, "interface where everything goes")->required();
  add("pass", "a program that passes everything, until SIGTERM",
      [](const Options& o) { return RunAttached(o, "pass"); });
  CLI11_PARSE(app, argc, argv);
  return Report(options, action(options));
}

}  // namespace
}  // namespace narthex::load

int main(int argc, char** argv) {
  try {
    return narthex::load::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "narthex-load: %s\n", error.what());
    return 1;
  }
}
