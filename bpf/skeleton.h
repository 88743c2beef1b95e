// SPDX-License-Identifier: Apache-2.0
// The generated skeleton of the classifier with the types that it needs.
#pragma once

#include "bpf/abi.h"
//
#include "access.skel.h"
