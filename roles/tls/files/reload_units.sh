#!/bin/sh
# Let units that serve TLS read their certificates. Arguments: the units.
# What does not run is left alone: the first certificates come before the agents. What tries to start cannot be reloaded,
# and may be waiting for just this certificate.
set -eu
status=0
for unit; do
  case $(systemctl show --property ActiveState --value "$unit") in
    active | reloading) systemctl reload-or-restart "$unit" || status=1 ;;
    activating) systemctl restart --no-block "$unit" || status=1 ;;
  esac
done
exit "$status"
