// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The generated skeletons of both programs with the types that they need.
#pragma once

#include "bpf/abi.h"
//
#include "access.skel.h"
#include "uplink.skel.h"
