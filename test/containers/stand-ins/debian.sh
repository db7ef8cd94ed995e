#!/bin/sh
# debian.sh DIRECTORY IMAGE LABEL: makes Debian 12's smallest system in the directory, and an image of it.
set -eu
system=$1/system
debootstrap --variant=minbase bookworm "$system" > "$1/log" 2>&1 || { tail -n 20 "$1/log" >&2; exit 1; }

# As in the public image: no documentation, no recommended packages, no waiting for the disk.
printf 'path-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\n' \
  > "$system/etc/dpkg/dpkg.cfg.d/docker"
printf 'force-unsafe-io\n' > "$system/etc/dpkg/dpkg.cfg.d/docker-apt-speedup"
printf 'APT::AutoRemove::SuggestsImportant "false";\nAcquire::Languages "none";\nDir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n' \
  > "$system/etc/apt/apt.conf.d/docker"
printf 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };\n' > "$system/etc/apt/apt.conf.d/docker-clean"
printf '#!/bin/sh\nexit 101\n' > "$system/usr/sbin/policy-rc.d"
chmod 0755 "$system/usr/sbin/policy-rc.d"

mkdir -p "$system/etc/ssl/certs" "$system/usr/local/share/ca-certificates"
cp /etc/ssl/certs/ca-certificates.crt "$system/etc/ssl/certs/"
find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$system/usr/local/share/ca-certificates/" \;

rm -rf "$system"/var/cache/apt/archives/* "$system"/var/lib/apt/lists/* "$system"/var/log/* \
  "$system"/usr/share/doc/* "$system"/usr/share/man/* "$system"/usr/share/locale/* "$system"/tmp/*
tar -C "$system" -c . | docker import \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' --change 'CMD ["bash"]' --change "LABEL $3" - "$2"
