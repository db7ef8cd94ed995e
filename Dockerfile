# The carrier: an image that holds one file, /preflight, for other images to copy.
#   docker build -t preflight .
# The program needs glibc, so the carrier itself cannot run it; its users' images can.
FROM node:24-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
# Not `npm ci`: the lock file holds the packages of Linux alone, which `npm ci` takes for a fault.
RUN npm install --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts/build.ts scripts/
COPY src src
RUN npm run build && chmod 0555 dist/preflight

FROM scratch
LABEL org.opencontainers.image.title="preflight" \
      org.opencontainers.image.description="May this image start against this database? Looks before the application starts, and stamps or upgrades only on evidence." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /src/dist/preflight /preflight
