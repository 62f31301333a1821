"""A Kubernetes manifest with both daemons, to be completed: nothing of this host's paths applies in a cluster."""

from __future__ import annotations

from cos_update import __version__
from cos_update.cli.compose import DATA_DIR, LOG_DIR
from cos_update.cli.installation import Installation
from cos_update.config import DEFAULT_PATH

_HEAD = """\
# Both daemons of cos-update. Fill in the images' registry and the configuration.
#
# The daemons share one volume and coordinate by file locks, which work within one node only: hence one replica of
# each, the strategy Recreate, and the listener on the node of bulk.
apiVersion: v1
kind: Secret
metadata:
  name: cos-update
  labels: {{app.kubernetes.io/name: cos-update}}
# `cos-update config sample` has every key. From a file, in place of this document:
#   kubectl create secret generic cos-update --from-file=config.yaml
stringData:
  config.yaml: |
    openstack:
      auth_url: https://openstack.example.com:5000/v3
      username: concertim
      password: change-me
      project_name: admin
      user_domain_name: Default
      project_domain_name: Default
    concertim:
      concertim_url: https://concertim.example.com
      concertim_username: admin
      concertim_password: change-me
    rmq:
      rmq_address: rabbitmq.example.com
      rmq_username: openstack
      rmq_password: change-me
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: cos-update
  labels: {{app.kubernetes.io/name: cos-update}}
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 1Gi
"""
_DEPLOYMENT = """\
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cos-update-{daemon}
  labels: &labels
    app.kubernetes.io/name: cos-update
    app.kubernetes.io/component: {daemon}
spec:
  replicas: 1
  strategy: {{type: Recreate}}
  selector:
    matchLabels: *labels
  template:
    metadata:
      labels: *labels
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      # More than shutdown_timeout of the configuration.
      terminationGracePeriodSeconds: {stop:.0f}
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        fsGroup: 10001
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile: {{type: RuntimeDefault}}
{affinity}      containers:
        - name: {daemon}
          image: registry.example.com/{image}:{version}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {{drop: [ALL]}}
          # Fails if the daemon hangs or is gone, but not while it waits for OpenStack, Concertim or the broker.
          startupProbe:
            exec: &health {{command: [cos-update, health, {daemon}]}}
            periodSeconds: 5
            timeoutSeconds: 10
            failureThreshold: 60
          livenessProbe:
            exec: *health
            periodSeconds: 30
            timeoutSeconds: 10
            failureThreshold: 3
          resources:
            requests: {{cpu: 50m, memory: 128Mi}}
          volumeMounts:
            - {{name: config, mountPath: {config}, subPath: config.yaml, readOnly: true}}
            - {{name: data, mountPath: {data_dir}}}
            - {{name: log, mountPath: {log_dir}}}
      volumes:
        - name: config
          secret: {{secretName: cos-update, defaultMode: 0440}}
        - name: data
          persistentVolumeClaim: {{claimName: cos-update}}
        - name: log
          emptyDir: {{sizeLimit: 1Gi}}
"""
_BESIDE_BULK = """\
      affinity:
        podAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - topologyKey: kubernetes.io/hostname
              labelSelector:
                matchLabels:
                  app.kubernetes.io/name: cos-update
                  app.kubernetes.io/component: bulk
"""
_IMAGES = {"bulk": "concertim_bulk_updates", "listen": "concertim_mq_listener"}


def manifest(installation: Installation) -> str:
    """A Secret, a volume, and a Deployment for each daemon, with the shutdown timeout in effect."""
    deployments = (
        _DEPLOYMENT.format(
            daemon=daemon,
            image=image,
            version=__version__,
            stop=installation.stop_after,
            affinity=_BESIDE_BULK if daemon == "listen" else "",
            config=DEFAULT_PATH,
            data_dir=DATA_DIR,
            log_dir=LOG_DIR,
        )
        for daemon, image in _IMAGES.items()
    )
    return "".join((_HEAD.format(), *deployments))
