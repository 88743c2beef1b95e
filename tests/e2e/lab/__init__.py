# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests stand on: hosts, processes, a gateway, clients, traffic."""
