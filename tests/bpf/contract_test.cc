// SPDX-License-Identifier: Apache-2.0
// What libxdp and the kernel demand of the program (DESIGN §2), and what pins depend on.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <set>

#include "bpf/skeleton.h"
#include "tests/bpf/classifier_fixture.h"

namespace narthex::test {

using Contract = ClassifierFixture;

TEST_F(Contract, ProgramHasTheNameThatLibxdpLooksFor) {
  bpf_prog_info info = {};
  __u32 size = sizeof(info);
  ASSERT_EQ(bpf_obj_get_info_by_fd(bpf_program__fd(skeleton_->progs.xsk_def_prog), &info, &size),
            0);
  EXPECT_STREQ(info.name, "xsk_def_prog");
}

TEST_F(Contract, ObjectNameDoesNotClaimLibxdpsReferenceCounter) {
  EXPECT_NE(std::string(bpf_object__name(skeleton_->obj)).rfind("xsk_def_", 0), 0u);
}

TEST_F(Contract, SocketMapIsFoundThroughTheProgramByName) {
  std::array<__u32, 64> ids{};
  bpf_prog_info info = {};
  info.nr_map_ids = ids.size();
  info.map_ids = reinterpret_cast<__u64>(ids.data());
  __u32 size = sizeof(info);
  ASSERT_EQ(bpf_obj_get_info_by_fd(bpf_program__fd(skeleton_->progs.xsk_def_prog), &info, &size),
            0);
  int found = 0;
  for (__u32 i = 0; i < info.nr_map_ids; i++) {
    int fd = bpf_map_get_fd_by_id(ids[i]);
    bpf_map_info map = {};
    size = sizeof(map);
    ASSERT_EQ(bpf_obj_get_info_by_fd(fd, &map, &size), 0);
    close(fd);
    if (std::string(map.name) != "xsks_map") continue;
    found++;
    EXPECT_EQ(map.type, static_cast<__u32>(BPF_MAP_TYPE_XSKMAP));
    EXPECT_EQ(map.key_size, 4u);
    EXPECT_EQ(map.value_size, 4u);
  }
  EXPECT_EQ(found, 1);
}

TEST_F(Contract, MetadataSectionCarriesTheProgramVersion) {
  btf* types = btf__parse(NARTHEX_ACCESS_OBJECT, nullptr);
  ASSERT_NE(types, nullptr);
  int section = btf__find_by_name_kind(types, "xdp_metadata", BTF_KIND_DATASEC);
  ASSERT_GT(section, 0);
  const btf_type* type = btf__type_by_id(types, static_cast<__u32>(section));
  ASSERT_EQ(btf_vlen(type), 1);
  const btf_type* variable = btf__type_by_id(types, btf_var_secinfos(type)->type);
  EXPECT_STREQ(btf__name_by_offset(types, variable->name_off), "xsk_prog_version");
  const btf_type* pointer = btf__type_by_id(types, variable->type);
  ASSERT_TRUE(btf_is_ptr(pointer));
  const btf_type* array = btf__type_by_id(types, pointer->type);
  EXPECT_EQ(btf_array(array)->nelems, 1u);
  btf__free(types);
}

TEST_F(Contract, ClockTicksByItself) {
  const volatile nx_clock& clock = skeleton_->data_clock->clock;
  const uint64_t first = clock.now_ns;
  EXPECT_LT(BootNow() - first, kSecond);
  EXPECT_EQ(clock.slot, nx_cookie_slot(first));
  uint64_t deadline = BootNow() + 2 * kSecond;
  while (clock.now_ns == first && BootNow() < deadline) {
  }
  EXPECT_GT(clock.now_ns, first);
}

}  // namespace narthex::test
