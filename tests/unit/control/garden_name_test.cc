// SPDX-License-Identifier: Apache-2.0
#include "control/garden_name.h"

#include <gtest/gtest.h>

#include "control/garden_covers.h"
#include "tests/unit/control/fakes.h"

namespace narthex {
namespace {

TEST(GardenName, MatchesByLabels) {
  struct {
    const char* pattern;
    const char* name;
    bool matches;
  } const rows[] = {
      {"idp.example.com", "idp.example.com", true},
      {"idp.example.com", "xidp.example.com", false},
      {"idp.example.com", "a.idp.example.com", false},
      {"idp.example.com", "idp.example.com.evil.test", false},
      {"*.cdn.example.net", "a.cdn.example.net", true},
      {"*.cdn.example.net", "a.b.c.cdn.example.net", true},
      {"*.cdn.example.net", "cdn.example.net", false},
      {"*.cdn.example.net", "evilcdn.example.net", false},
      {"*.cdn.example.net", "a.cdn.example.net.evil.test", false},
      {"cdn-*.example.net", "cdn-.example.net", true},
      {"cdn-*.example.net", "cdn-eu-7.example.net", true},
      {"cdn-*.example.net", "cdn-eu.7.example.net", false},
      {"cdn-*.example.net", "cdn-evil.test", false},
      {"a*b*c.example.net", "abc.example.net", true},
      {"a*b*c.example.net", "a1b2b3c.example.net", true},
      {"a*b*c.example.net", "a1b2.example.net", false},
      {"*.img-*.example.net", "x.y.img-7.example.net", true},
      {"*.img-*.example.net", "img-7.example.net", false},
      {"login.*.example.com", "login.eu.example.com", true},
      {"login.*.example.com", "login.example.com", false},
      {"login.*.example.com", "login.a.b.example.com", false},
      {"*.example.com", "", false},
      {"*.example.com", "com", false},
      {"*.example.com", "\\046.example.com", true},
  };
  for (const auto& row : rows)
    EXPECT_EQ(MatchesGardenName(row.pattern, row.name), row.matches)
        << row.pattern << " " << row.name;
}

TEST(GardenName, IsReadInLowerCaseWithoutAFinalDot) {
  EXPECT_EQ(ParseGardenName("IDP.Example.COM.").value(), "idp.example.com");
  EXPECT_EQ(ParseGardenName("*.CDN.example.net").value(), "*.cdn.example.net");
  EXPECT_EQ(ParseGardenName("_x.a-b.xn--bcher-kva.example").value(),
            "_x.a-b.xn--bcher-kva.example");
}

TEST(GardenName, RefusesWhatIsNoneOrOpensTooMuch) {
  const std::string label64(64, 'a');
  for (const std::string& text :
       {std::string(), std::string("."), std::string("com"), std::string("*"), std::string("*.com"),
        std::string("*.*"), std::string("a.*.com"), std::string("*example.com"),
        std::string("idp..example.com"), std::string(".example.com"),
        std::string("a b.example.com"), std::string("http://a.example.com"),
        std::string("a.example.com:443"), std::string("a.example.com/x"),
        std::string("b\xc3\xbc.example"), std::string("198.51.100.20"), label64 + ".example.com",
        std::string(250, 'a') + ".com", std::string("a\0b.example.com", 15)})
    EXPECT_FALSE(ParseGardenName(text)) << text;
}

TEST(GardenCoversHost, ByNameOrByPrefix) {
  ZoneConfig zone;
  zone.garden = {{P("198.51.100.0/24"), {{443, 443}}, {}}};
  zone.garden_names = {{"idp.example.com", {{443, 443}}, {}},
                       {"*.cdn.example.net", {{80, 80}}, {}}};
  struct {
    const char* host;
    bool covers;
  } const rows[] = {{"idp.example.com", true},   {"IDP.example.com.", true},
                    {"a.cdn.example.net", true}, {"connectivitycheck.gstatic.com", false},
                    {"198.51.100.7", true},      {"198.51.101.7", false},
                    {"2001:db8:100::20", false}, {"", false}};
  for (const auto& row : rows) EXPECT_EQ(GardenCoversHost(zone, row.host), row.covers) << row.host;
}

}  // namespace
}  // namespace narthex
