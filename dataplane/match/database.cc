// SPDX-License-Identifier: Apache-2.0
#include "match/database.h"

#include <hs.h>

#include <cstdlib>
#include <new>
#include <utility>

namespace narthex {
namespace {

struct CompileError {
  hs_compile_error_t* error = nullptr;
  ~CompileError() { hs_free_compile_error(error); }
};

unsigned Flags(const Expression& expression) {
  return expression.literal ? 0u : HS_FLAG_DOTALL | (expression.caseless ? HS_FLAG_CASELESS : 0u);
}

// A repeat such as {1,1000} is unrolled: a small text can become a large automaton.
bool RepeatsTooOften(const std::string& regex) {
  for (size_t i = 0; i < regex.size(); i++) {
    if (regex[i] == '\\') {
      i++;
      continue;
    }
    if (regex[i] != '{') continue;
    for (size_t digits = i + 1; digits < regex.size() && regex[digits] != '}'; digits++) {
      if (std::strtoul(regex.c_str() + digits, nullptr, 10) > kMaxRepeat) return true;
    }
  }
  return false;
}

// Empty, or why a regular expression is refused: first of all by itself, so that it cannot close
// the group that it will be put into.
std::string JudgeRegex(const std::string& regex, const Expression& expression) {
  if (regex.size() > kMaxPatternBytes) {
    return std::to_string(regex.size()) + " bytes, at most " + std::to_string(kMaxPatternBytes) +
           " are possible";
  }
  if (regex.starts_with('^') || (regex.ends_with('$') && !regex.ends_with("\\$"))) {
    return "^ and $ are implied: the whole value is compared";
  }
  if (RepeatsTooOften(regex)) {
    return "a repeat of more than " + std::to_string(kMaxRepeat);
  }
  hs_expr_info_t* info = nullptr;
  CompileError failure;
  if (hs_expression_info(regex.c_str(), Flags(expression), &info, &failure.error) != HS_SUCCESS) {
    return failure.error ? failure.error->message : "not understood";
  }
  std::free(info);
  hs_database_t* database = nullptr;
  CompileError wrapped;
  if (hs_compile(expression.text.c_str(), Flags(expression), HS_MODE_BLOCK, nullptr, &database,
                 &wrapped.error) != HS_SUCCESS) {
    return wrapped.error ? wrapped.error->message : "cannot be compiled";
  }
  size_t bytes = 0;
  hs_database_size(database, &bytes);
  hs_free_database(database);
  if (bytes <= kMaxRegexDatabaseBytes) return "";
  return "too costly: it compiles to " + std::to_string(bytes) + " bytes, at most " +
         std::to_string(kMaxRegexDatabaseBytes) + " are possible";
}

std::string Judge(const Pattern& pattern, const Expression& expression) {
  if (pattern.text.empty()) return "it is empty";
  for (char c : pattern.text) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) return "it holds a control character";
  }
  if (pattern.kind == Kind::kRegex) return JudgeRegex(pattern.text, expression);
  const size_t most = kMaxValueBytes[static_cast<size_t>(pattern.field)];
  if (pattern.text.size() > most) {
    return std::to_string(pattern.text.size()) + " bytes, no " +
           std::string(kFieldNames[static_cast<size_t>(pattern.field)]) + " of more than " +
           std::to_string(most) + " is compared";
  }
  if (pattern.kind != Kind::kGlob) return "";
  if (pattern.text.find_first_not_of('*') == std::string::npos) {
    return "it matches everything: leave it out";
  }
  size_t wildcards = 0;
  for (char c : pattern.text) wildcards += c == '*' || c == '?';
  return wildcards > 16 ? "more than 16 wildcards" : "";
}

}  // namespace

MatchScratch::MatchScratch(hs_scratch* scratch, size_t patterns)
    : scratch_(scratch), found_(patterns) {}

MatchScratch::MatchScratch(MatchScratch&& other) noexcept
    : scratch_(std::exchange(other.scratch_, nullptr)), found_(std::move(other.found_)) {}

MatchScratch::~MatchScratch() { hs_free_scratch(scratch_); }

int MatchScratch::Add(unsigned pattern, unsigned long long, unsigned long long, unsigned,
                      void* self) {
  return static_cast<MatchScratch*>(self)->Note(pattern) ? 0 : 1;
}

std::unique_ptr<const Database> Database::Compile(const std::vector<Pattern>& patterns, size_t& bad,
                                                  std::string& error, Purpose purpose) {
  std::unique_ptr<Database> made(new Database());
  made->patterns_ = patterns.size();
  bad = patterns.size();
  if (patterns.empty()) return made;
  if (patterns.size() > kMaxPatterns) {
    error = std::to_string(patterns.size()) + " patterns, at most " + std::to_string(kMaxPatterns) +
            " are possible";
    return nullptr;
  }
  std::vector<std::string> texts;
  std::vector<const char*> pointers;
  std::vector<unsigned> flags, ids;
  size_t plain = 0;
  for (size_t i = 0; i < patterns.size(); i++) {
    const Pattern& pattern = patterns[i];
    Expression expression = ExpressionOf(pattern);
    error = Judge(pattern, expression);
    const bool whole_name = HostTable::Takes(pattern);
    if (error.empty() && !expression.spread && !whole_name && ++plain > kMaxPlainPatterns) {
      error = "more than " + std::to_string(kMaxPlainPatterns) +
              " patterns that are neither exact nor a host's suffix";
    }
    if (!error.empty()) {
      bad = i;
      return nullptr;
    }
    if (whole_name) continue;
    made->sections_.whole[static_cast<size_t>(pattern.field)] = true;
    if (expression.spread && purpose == Purpose::kCheck) continue;
    flags.push_back(Flags(expression));
    ids.push_back(static_cast<unsigned>(i));
    texts.push_back(std::move(expression.text));
  }
  if (purpose == Purpose::kUse) made->hosts_.Build(patterns);
  if (texts.empty()) return made;
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  CompileError failure;
  if (hs_compile_multi(pointers.data(), flags.data(), ids.data(), static_cast<unsigned>(ids.size()),
                       HS_MODE_BLOCK, nullptr, &made->database_, &failure.error) != HS_SUCCESS) {
    error = failure.error ? failure.error->message : "the patterns cannot be compiled";
    if (failure.error && failure.error->expression >= 0) {
      bad = ids[static_cast<size_t>(failure.error->expression)];
    }
    return nullptr;
  }
  if (made->Bytes() > kMaxDatabaseBytes) {
    error = "the patterns compile to " + std::to_string(made->Bytes()) + " bytes, at most " +
            std::to_string(kMaxDatabaseBytes) + " are possible";
    return nullptr;
  }
  return made;
}

Database::~Database() { hs_free_database(database_); }

MatchScratch Database::NewScratch() const {
  hs_scratch_t* scratch = nullptr;
  if (database_ && hs_alloc_scratch(database_, &scratch) != HS_SUCCESS) throw std::bad_alloc();
  return {scratch, patterns_};
}

Database::Found Database::Match(const Values& values, MatchScratch& scratch) const {
  FindHosts(HostChain(values[static_cast<size_t>(Field::kHost)]), scratch);
  return Scan(values, scratch);
}

Database::Found Database::Scan(const Values& values, MatchScratch& scratch) const {
  if (database_) {
    const Subject subject(sections_, values);
    hs_scan(database_, subject.Data(), subject.Bytes(), 0, scratch.scratch_, MatchScratch::Add,
            &scratch);
  }
  return {scratch.found_.data(), scratch.count_};
}

size_t Database::Bytes() const {
  size_t bytes = 0;
  if (database_) hs_database_size(database_, &bytes);
  return bytes + hosts_.Bytes();
}

}  // namespace narthex
