// SPDX-License-Identifier: Apache-2.0
// Reading a TOML table: each key has its setter, each refusal its place. For config*.cc alone.
#ifndef NARTHEX_CONTROL_CONFIG_READER_H
#define NARTHEX_CONTROL_CONFIG_READER_H

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace narthex {

// Leaves the parser; caught in ParseConfig, so that the walk below reads straight on.
struct Refusal {
  toml::source_region where;
  std::string key;
  std::string why;
};

inline std::string_view KindName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a floating-point number";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

// One value and the name under which people know it.
class Value {
 public:
  Value(const toml::node& node, std::string key) : node_(node), key_(std::move(key)) {}

  [[noreturn]] void Refuse(std::string why) const { throw Refusal{node_.source(), key_, why}; }

  template <typename T>
  bool Is() const {
    return node_.is<T>();
  }
  std::string String() const { return As<std::string>("a string"); }
  bool Bool() const { return As<bool>("true or false"); }
  int64_t Integer(int64_t low, int64_t high) const {
    int64_t value = As<int64_t>("an integer");
    if (value < low || value > high)
      Refuse(fmt::format("{} is not between {} and {}", value, low, high));
    return value;
  }
  std::vector<Value> List(size_t most) const {
    const toml::array* array = node_.as_array();
    if (array == nullptr) Refuse(fmt::format("wanted an array, this is {}", KindName(node_)));
    if (array->size() > most)
      Refuse(fmt::format("{} entries, at most {} are possible", array->size(), most));
    std::vector<Value> values;
    for (const toml::node& element : *array) values.emplace_back(element, key_);
    return values;
  }
  const toml::table& Table() const {
    const toml::table* table = node_.as_table();
    if (table == nullptr) Refuse(fmt::format("wanted a table, this is {}", KindName(node_)));
    return *table;
  }
  // What `parse` makes of the string, or its refusal at this place.
  template <typename Parser>
  auto Parsed(Parser parse) const {
    auto result = parse(String());
    if (!result) Refuse(result.error().message);
    return std::move(*result);
  }
  template <typename Checker>
  std::string Checked(Checker check) const {
    std::string text = String();
    if (auto outcome = check(text); !outcome) Refuse(outcome.error().message);
    return text;
  }
  std::string OneOf(std::initializer_list<std::string_view> choices) const {
    std::string text = String();
    if (std::find(choices.begin(), choices.end(), text) == choices.end())
      Refuse(fmt::format("'{}' is none of {}", text, fmt::join(choices, ", ")));
    return text;
  }

 private:
  template <typename T>
  T As(std::string_view wanted) const {
    if (!node_.is<T>()) Refuse(fmt::format("wanted {}, this is {}", wanted, KindName(node_)));
    return *node_.value<T>();
  }

  const toml::node& node_;
  std::string key_;
};

using Setter = std::function<void(const Value&)>;

// Hands each key of `table` to its setter; a key without one is unknown.
inline void ReadTable(const toml::table& table, const std::string& path,
                      const std::vector<std::pair<std::string_view, Setter>>& setters) {
  for (const auto& [key, node] : table) {
    std::string full =
        path.empty() ? std::string(key.str()) : fmt::format("{}.{}", path, key.str());
    auto setter = std::find_if(setters.begin(), setters.end(),
                               [&](const auto& known) { return known.first == key.str(); });
    if (setter == setters.end()) {
      std::vector<std::string_view> names;
      for (const auto& known : setters) names.push_back(known.first);
      throw Refusal{key.source(), full,
                    fmt::format("unknown key; known here: {}", fmt::join(names, ", "))};
    }
    setter->second(Value(node, full));
  }
}

inline void RequireKey(const toml::table& table, const std::string& path, std::string_view key) {
  if (!table.contains(key))
    throw Refusal{table.source(), fmt::format("{}.{}", path, key), "is missing"};
}

}  // namespace narthex

#endif  // NARTHEX_CONTROL_CONFIG_READER_H
