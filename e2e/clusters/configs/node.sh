#!/bin/sh
# The start of a node, run as the first process in namespaces of its own (mounts, network,
# processes), so that everything the node makes goes with them: mounts, interfaces, firewall
# rules, containers. The machine's files are seen as they are, but for the directories that a
# node writes to.
set -eu
mount --make-rshared /
mount --bind "@directory@/node/lib" /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log
ip link set lo up
# Pods and the Services in front of them are other networks to the node.
echo 1 > /proc/sys/net/ipv4/ip_forward
touch "@directory@/node/open"
exec "@python@" "@reaper@"
