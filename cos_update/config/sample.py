"""A commented config.yaml with every key; valid as it stands."""

from __future__ import annotations

SAMPLE = """\
# Configuration of cos-update; other services may keep their sections in the same file.
# Every key is here. What is commented out has the value that it shows unless you set it.
# It holds passwords: chown it to the user that runs cos-update, and chmod 640 it.
#
# Any secret may come from elsewhere instead:
#   - from a file: give `password_file: /run/secrets/openstack` in place of `password`, and so on;
#   - from the environment: COS_UPDATE_OPENSTACK_PASSWORD, COS_UPDATE_OPENSTACK_APPLICATION_CREDENTIAL_SECRET,
#     COS_UPDATE_OPENSTACK_TOKEN, COS_UPDATE_CONCERTIM_PASSWORD, COS_UPDATE_RMQ_PASSWORD,
#     COS_UPDATE_KILLBILL_PASSWORD, COS_UPDATE_KILLBILL_APIKEY, COS_UPDATE_KILLBILL_APISECRET,
#     COS_UPDATE_COORDINATION_BACKEND_URL, or the same names with _FILE for the path of a file.

# DEBUG, INFO, WARNING, ERROR or CRITICAL.
# log_level: INFO
# text or json.
# log_format: text
# The folder of the view, which other services read (also COS_UPDATE_DATA_DIR, --data-dir).
# data_dir: /var/lib/concertim-openstack-service/data
# The folder of updates_bulk.log and updates_mq.log (also COS_UPDATE_LOG_DIR, --log-dir).
# log_dir: /var/log/concertim-openstack-service
# Seconds from the start of one bulk pass to the start of the next.
# interval: 150
# Maximum percentage of managed objects that one pass may remove; more are held back (if more than 10).
# max_deletes: 30
# Every how many passes each device of Concertim is read in full.
# full_read_every: 24
# Every how many passes all of OpenStack is read, and not only what has changed since the last pass.
# full_cloud_read_every: 12
# Every how many passes the resources of every stack are read from Heat.
# membership_refresh: 96
# Whose services load view.pickle with their own classes: con_opstk (releases 0.1 to 1.1 of the update handlers),
# conser (1.2 and later), none, or auto for the classes that view.pickle in data_dir names (also COS_UPDATE_VIEW_FOR).
# view_for: auto
# Seconds that a stopping process may take to finish its work. Docker kills after 10 by default.
# shutdown_timeout: 8

openstack:
  # Any of keystoneauth's keys for passwords or application credentials. Besides those below: user_id, project_id,
  # user_domain_id, project_domain_id, domain_name, domain_id, default_domain_name, default_domain_id, system_scope,
  # trust_id, application_credential_name.
  auth_url: https://openstack.example.com:5000/v3
  username: concertim
  password: change-me
  project_name: admin
  user_domain_name: Default
  project_domain_name: Default
  # With an application credential, in place of username, password, project and domains:
  #   application_credential_id: 21dced0fd20347869b93710d2b98aae0
  #   application_credential_secret: change-me
  # With a token, in place of username and password, until it expires:
  #   token: gAAAAAB...
  # With another keystoneauth plugin: its name, and those of its keys that are among the above:
  #   auth_type: v3password
  # With a cloud of clouds.yaml, in place of all of them:
  #   cloud: mycloud
  # The region, where the catalog has several.
  #   region_name: RegionOne
  # Which endpoints of the catalog are used: public, internal or admin.
  # interface: public
  # TLS verification: true, false, or the path of a CA file. From Python 3.13 on certificates must comply with RFC
  # 5280, and with strict: true in earlier ones too. If a private CA does not comply (no key usage, say), accept it
  # with strict: false; its chain and the host name are still verified:
  #   verify: {ca: /etc/ssl/private-ca.pem, strict: false}
  # verify: true
  # auto reads cloud-wide where these credentials may, and per project where not; cloud and project insist on one.
  # scope: auto
  # Maximum number of concurrent requests.
  # concurrency: 8
  # Seconds to wait for a response.
  # timeout: 60
  # How often to retry a failed request.
  # retries: 3
  # A project is watched when this user has this role in it.
  # watcher_user: concertim
  # watcher_role: watcher

concertim:
  concertim_url: https://concertim.example.com
  concertim_username: admin
  concertim_password: change-me
  # Height of a new rack in rack units, 1 to 72, unless its devices need more.
  # default_rack_height: 42
  # TLS verification: true, false, or the path of a CA file. From Python 3.13 on certificates must comply with RFC
  # 5280, and with strict: true in earlier ones too. If a private CA does not comply (no key usage, say), accept it
  # with strict: false; its chain and the host name are still verified:
  #   verify: {ca: /etc/ssl/private-ca.pem, strict: false}
  # verify: true
  # The app's API: auto (ask it), teams, credits (the newer one), users (the older one).
  # api: auto
  # Maximum number of concurrent writes. The app handles about 20 per second, and people use it too.
  # concurrency: 3
  # A new rack's order id: stack_id; tag:NAME for the value of the Heat stack's tag NAME=value; or looked up in Killbill
  # with the section killbill: killbill (the id of the stack's subscription), killbill_bundle (that of its bundle).
  # order_id: stack_id
  # Seconds to wait for a response. The app needs minutes to list a large number of devices.
  # timeout: 300
  # How often to retry a failed request.
  # retries: 3

rmq:
  # One or more hosts, as a list or comma-separated; each may have its own :port.
  rmq_address: rabbitmq.example.com
  rmq_username: openstack
  rmq_password: change-me
  # 5671 when tls is true.
  # rmq_port: 5672
  # The virtual host; "" and "/" are both the default one.
  # rmq_path: /
  # tls: false
  # TLS verification: true, false, or the path of a CA file. From Python 3.13 on certificates must comply with RFC
  # 5280, and with strict: true in earlier ones too. If a private CA does not comply (no key usage, say), accept it
  # with strict: false; its chain and the host name are still verified:
  #   verify: {ca: /etc/ssl/private-ca.pem, strict: false}
  # verify: true
  # A client certificate, if the broker asks for one.
  #   client_cert: /etc/concertim-openstack-service/client.pem
  #   client_key: /etc/concertim-openstack-service/client.key
  # The exchanges that the services publish to, and their topics (info, warn and error of each are consumed).
  # exchanges: [nova, heat, cinder, neutron, keystone, openstack]
  # topics: [notifications, versioned_notifications]
  # The name of this listener's queue, and its type: classic or quorum.
  # queue: cos-update
  # queue_type: classic
  # true: of several listeners one consumes and the others stand by.
  # single_active_consumer: false
  # Several listeners that share the work: their number, and the index of this one from 0.
  # shard: {count: 1, index: 0}
  # The broker drops unread messages beyond this many, and the queue after this many seconds without a consumer.
  # max_length: 100000
  # expires: 604800
  # Maximum number of unacknowledged messages.
  # prefetch: 20000
  # Seconds between the heartbeats of the connection, 0 for none.
  # heartbeat: 30

# Only where several machines run the daemons for one Concertim: how they agree on which of them posts what.
# coordination:
#   # tooz's address of the engine: etcd3+http://host:2379, etcd3+https://host:2379?ca_cert=FILE, redis://:password@host,
#   # redis://:password@host?sentinel=NAME and so on; with all its nodes behind one name. The same on every machine.
#   backend_url: etcd3+http://etcd.example.com:2379
#   # Into how many parts the watched projects are parted; each is posted by one machine at a time. With 1 the others
#   # stand by. The same on every machine.
#   shards: 1
#   # Seconds after which the others take over what a machine had that is gone or cut off.
#   lease: 15
#   # What this machine is called; without it, by its host name.
#   site: node-1

# The billing service's own section, read with concertim.order_id: killbill or killbill_bundle only.
# killbill:
#   # Killbill's address, and the user and tenant to query it as; all keys are required.
#   api_host: http://killbill:8080
#   username: admin
#   password: change-me
#   apikey: concertim
#   apisecret: change-me
#   # TLS verification: true, false, or the path of a CA file.
#   verify: true
"""
