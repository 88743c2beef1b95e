// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The generated skeleton of the classifier with the types that it needs.
#pragma once

#include "bpf/abi.h"
//
#include "access.skel.h"
