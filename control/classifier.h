// SPDX-License-Identifier: Apache-2.0
// The classifier on its interfaces: loads one program for each zone and each uplink, attaches it
// by a pinned link, switches a running one in place. An interface that has a classifier is never
// without one; what this start created goes again if the start fails.
//
// Order: Preflight (changes nothing), Load, then the maps are filled, then Attach.
// Thread rule: built from main; afterwards the Gateway functions may be called by any thread.
#ifndef NARTHEX_CONTROL_CLASSIFIER_H
#define NARTHEX_CONTROL_CLASSIFIER_H

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "control/bpf.h"
#include "control/config.h"
#include "control/garden_blocks.h"
#include "control/gateway.h"
#include "control/layout.h"
#include "control/pinned_maps.h"

struct narthex_access;
struct narthex_uplink;

namespace narthex {

// Finds what would make a start fail, before anything is touched.
Outcome PreflightClassifier(const Config& config);

// Detaches and unpins everything of the instance; returns the interfaces that were freed.
Result<std::vector<std::string>> DetachClassifier(const std::string& bpffs_dir);

class Classifier : public Gateway {
 public:
  static Result<std::unique_ptr<Classifier>> Load(const Config& config, const Layout& layout,
                                                  MapIdentity known);
  ~Classifier() override;

  const PinnedMaps& maps() const { return maps_; }
  int settle_program() const;
  nx_cookie_keys& cookie_keys() { return cookie_keys_.As<nx_cookie_keys>()[0]; }

  GardenBlocks garden_blocks() { return GardenBlocks(garden_blocks_.As<uint64_t>()); }
  // Brings the `garden` map to these zones' by difference.
  Outcome FillGarden(const std::vector<ZoneConfig>& zones);
  using Garden = std::vector<std::pair<nx_garden_key, nx_garden>>;
  Garden ReadGarden();
  Outcome PutGarden(const Garden& rows);
  // Our programs on all interfaces; those of before go back with this object, unless Keep() has
  // been called and said that all is well.
  Outcome Attach();
  Outcome Keep();
  // Tells the programs the interfaces as they are now. Those that were removed and made anew since
  // get their programs again.
  void FollowInterfaces();
  // Tells the programs until when (CLOCK_BOOTTIME) IPv4 routes depend on the destination alone; 0:
  // no more.
  void SayRoutesPlain(uint64_t until_ns);

  Result<std::vector<uint64_t>> Counters() override;
  InterfaceState Attachment(const std::string& interface) override;
  std::vector<nx_worker> Workers(const ZoneConfig& zone) override;
  std::vector<MapSize> MapSizes() override { return maps_.Memory(); }
  Result<std::vector<SampleVerdict>> Explain(const ZoneConfig& zone,
                                             const Address& client) override;

 private:
  struct Skeleton {
    void operator()(narthex_access* skeleton) const;
    void operator()(narthex_uplink* skeleton) const;
  };
  using Access = std::unique_ptr<narthex_access, Skeleton>;
  // A zone that its interface has by VLAN: the attached program calls this one.
  struct VlanZone {
    const ZoneConfig* zone;
    Access access;
  };
  // One interface with its program: a zone's classifier, or an uplink's program.
  struct Interface {
    std::string place;  // for messages: "zone 'lobby'", "uplink"
    std::string name;
    const ZoneConfig* zone = nullptr;  // null: an uplink
    uint32_t ifindex = 0;
    Access access;
    std::vector<VlanZone> vlan_zones;
    std::unique_ptr<narthex_uplink, Skeleton> uplink;
    int program = -1;
    int sockets = -1;     // xsks_map; -1: has none
    int vlan_table = -1;  // vlan_zones; -1: has none
    Fd left_table;        // one that a start left unsettled, perhaps in force
    Fd link;
    Fd old_program;         // what the link held before
    bool new_link = false;  // attached by this start
  };

  Classifier(const Config& config, const Layout& layout, MapIdentity known)
      : config_(config), layout_(layout), maps_(config.bpffs_dir, layout, std::move(known)) {}

  Outcome LoadAccess(const std::string& name);
  Result<Access> LoadProgram(const ZoneConfig& zone, nx_vlan_dispatch dispatch, int sockets);
  Outcome LoadVlanZones(Interface& interface, const std::vector<const ZoneConfig*>& zones);
  Outcome LoadUplink(const std::string& name);
  void WritePorts(const Interface& interface);
  Outcome StartClock();
  Outcome MapWorkers();
  Outcome MapGardenBlocks();
  Outcome LockPins();
  Outcome PinAll();
  Outcome PinVlanTable(Interface& interface);
  void SettleVlanTable(Interface& interface);
  Outcome AttachOne(Interface& interface);
  Outcome SwitchLink(Interface& interface, Fd link);
  Outcome NewLink(Interface& interface);
  void Undo();
  void DropRemovedInterfaces();
  std::string Directory(const Interface& interface) const {
    return config_.bpffs_dir + "/" + interface.name;
  }
  Interface* Find(const std::string& name);
  Outcome AttachAgain(Interface& interface, uint32_t ifindex);

  const Config& config_;
  const Layout& layout_;
  CreatedPaths created_;
  Fd pins_lock_;
  PinnedMaps maps_;
  std::vector<Interface> interfaces_;
  bool kept_ = false;
  std::mutex links_mutex_;  // after Attach: links and indexes of interfaces_
  Mapping cookie_keys_;
  Mapping workers_;
  Mapping garden_blocks_;
  std::mutex explain_mutex_;
};

}  // namespace narthex

#endif  // NARTHEX_CONTROL_CLASSIFIER_H
