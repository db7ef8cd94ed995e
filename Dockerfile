# docker build -t preflight .                        the carrier: files for other images to copy (docs/images.md)
#   COPY --from=preflight /preflight /usr/local/bin/preflight        glibc: Debian, Ubuntu, Red Hat, distroless
#   COPY --from=preflight /musl/ /usr/local/                         musl: Alpine
# docker build --target job -t preflight-job .       an image that runs by itself, for SQL files and Supabase projects

# Everything is built on the builder's own platform; of the target's platform only files are copied, so that nothing is emulated.
FROM --platform=${BUILDPLATFORM:-linux/amd64} node:24-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts/build.ts scripts/sbom.ts scripts/licenses.ts scripts/
COPY LICENSE ./
COPY licenses licenses
COPY scripts/build scripts/build
COPY src src
ARG TARGETARCH
RUN node scripts/build.ts linux-${TARGETARCH:-amd64} linux-${TARGETARCH:-amd64}-musl

FROM node:24-slim AS debian
FROM node:24-alpine AS alpine

FROM build AS files
WORKDIR /out
COPY --from=alpine /usr/lib/libstdc++.so.6 /usr/lib/libgcc_s*.so.1 carrier/musl/lib/preflight/
COPY --from=debian /usr/lib/*-linux-gnu/ld-linux-*.so.* \
                   /usr/lib/*-linux-gnu/libc.so.6 \
                   /usr/lib/*-linux-gnu/libdl.so.2 \
                   /usr/lib/*-linux-gnu/libm.so.6 \
                   /usr/lib/*-linux-gnu/libpthread.so.0 job/lib/
ARG TARGETARCH
ARG SOURCE_DATE_EPOCH=0
RUN target=linux-${TARGETARCH:-amd64} \
 && install -D -m 0555 /src/dist/$target/preflight preflight \
 && install -D -m 0555 /src/dist/$target-musl/preflight carrier/musl/bin/preflight \
 && node /src/scripts/sbom.ts --target $target --target $target-musl carrier/musl/lib/preflight/* > carrier/sbom.cdx.json \
 && node /src/scripts/sbom.ts --target $target job/lib/libc.so.6 > job/sbom.cdx.json \
 && node /src/scripts/licenses.ts > carrier/preflight.licenses \
 && cp carrier/preflight.licenses job/ \
 && if [ $target = linux-amd64 ]; then mkdir job/lib64 && mv job/lib/ld-linux-x86-64.so.2 job/lib64/; fi \
 && mkdir -p job/etc job/project \
 && echo 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin' > job/etc/passwd \
 && echo 'nonroot:x:65532:' > job/etc/group \
 && chmod -R a=rX,u+w carrier/musl/lib job \
 # Two builds give the same layers, the times of the files included.
 && find . -exec touch --no-dereference --date=@$SOURCE_DATE_EPOCH {} +

FROM scratch AS job
ARG VERSION=0.2.0
ARG REVISION
ARG SOURCE
LABEL org.opencontainers.image.title="preflight-job" \
      org.opencontainers.image.description="May this image start against this database? Runs by itself, as a Job or an init container, for SQL files and Supabase projects." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.source=$SOURCE
COPY --from=files /out/job/ /
COPY --from=files /out/preflight /preflight
USER 65532:65532
WORKDIR /project
ENTRYPOINT ["/preflight"]
CMD ["run"]

FROM scratch
ARG VERSION=0.2.0
ARG REVISION
ARG SOURCE
LABEL org.opencontainers.image.title="preflight" \
      org.opencontainers.image.description="May this image start against this database? Looks before the application starts, and stamps or upgrades only on evidence." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.source=$SOURCE
COPY --from=files /out/preflight /preflight
COPY --from=files /out/carrier/ /
