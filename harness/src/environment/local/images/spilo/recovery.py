"""Recovers a clone's data to their target with Patroni's own classes, as Spilo does.

Where recovery ends before its target (PostgreSQL 13 and later refuse to promote then), it is
retried with no target at all. PostgreSQL is left running; Patroni takes it over.
"""
import glob
import logging
import os
import re
import subprocess
import sys
import time

logger = logging.getLogger(__name__)

STOPPED_SHORT = 'recovery ended before configured recovery target was reached'
A_WEEK = 3600 * 24 * 7  # seconds; as Spilo: how long recovery takes depends on the size of the archive
LOOK_EVERY = 0.2  # seconds; Patroni's own classes look every second, Spilo every ten


# The last five, as Spilo: the line that matters and four more. Ours are left out, since we look more often than Spilo does;
# those of anybody else who connects count, and can push it out.
def last_log_lines(count=5):
    folder = os.environ.get('PGLOG', '/home/postgres/pgdata/pgroot/pg_log')
    newest = max(glob.glob(os.path.join(folder, '*.csv')), key=os.path.getmtime, default=None)
    if newest is None:
        return ''
    with open(newest, encoding='utf-8', errors='replace') as log:
        return ''.join([line for line in log if ',"[local]",' not in line][-count:])


def hurry():
    """Only this short-lived process is hurried; the Patroni that runs the cluster keeps its own pace."""
    import multiprocessing

    import patroni.postgresql as module
    import patroni.postgresql.postmaster as postmaster

    # A fresh interpreter for each start of PostgreSQL would load all of Patroni again.
    forking = multiprocessing.get_context('fork')
    postmaster.multiprocessing.get_context = lambda method=None: forking

    def polling(timeout, interval=1):
        end = time.monotonic() + float(timeout)
        number = 0
        while time.monotonic() < end:
            yield number
            number += 1
            time.sleep(min(float(interval), LOOK_EVERY))

    def wait_for_startup(self, timeout=0):
        while not self.check_startup_state_changed():
            if self.cancellable.is_cancelled or timeout and self.time_in_state() > timeout:
                return None
            time.sleep(LOOK_EVERY)
        return self.state == 'running'

    module.polling_loop = polling
    module.Postgresql.wait_for_startup = wait_for_startup
    return polling


def wait_for_end_of_recovery(postgresql, polling):
    told = None
    for _ in polling(A_WEEK):
        postgresql.reset_cluster_info_state(None)
        if postgresql.is_primary():
            return
        # Spilo would go on waiting.
        if not postgresql.is_running():
            raise Exception('PostgreSQL ended during recovery')
        if told is None or time.monotonic() - told >= 10:
            told = time.monotonic()
            logger.info('waiting for end of recovery of the old cluster')


def major_of_programs(postgresql):
    """Patroni's own property gives that of the data where the two differ."""
    said = subprocess.check_output([postgresql.pgcommand('postgres'), '--version'], text=True)
    return int(re.match(r'\S+ \S+ (\d+)', said).group(1))


def check_versions(of_data, of_programs):
    logger.info('Cluster version: %s, bin version: %s', of_data, of_programs)
    assert of_data <= of_programs, 'data of PostgreSQL {0} are newer than PostgreSQL {1}'.format(of_data, of_programs)


def recover(postgresql, config, polling):
    if not postgresql.bootstrap.bootstrap(config):
        raise Exception('Point-in-time recovery failed')
    wait_for_end_of_recovery(postgresql, polling)


def main():
    from patroni.config import Config
    from patroni.postgresql import Postgresql
    from patroni.postgresql.mpp import get_mpp

    polling = hurry()
    # The clone script starts this program before it fetches, so that all is loaded when the data are there.
    if not sys.stdin.readline():
        sys.exit('nothing was fetched')
    config = Config(sys.argv[1])
    config['postgresql'].update({'callbacks': {}, 'pg_ctl_timeout': A_WEEK})
    mpp = get_mpp(config)
    postgresql = Postgresql(config['postgresql'], mpp)

    with open(os.path.join(postgresql.data_dir, 'PG_VERSION')) as version_file:
        of_data = int(version_file.read().strip())
    of_programs = major_of_programs(postgresql)
    check_versions(of_data, of_programs)
    bootstrap = config['bootstrap']
    upgrade = None
    if of_data < of_programs:
        from upgrade import Upgrade

        upgrade = Upgrade(postgresql, of_data)
    restore(postgresql, bootstrap, of_data, polling)
    if upgrade:
        upgrade.run(bootstrap)


def restore(postgresql, bootstrap, of_data, polling):
    method = bootstrap[bootstrap['method']]
    method['command'] = 'true'
    logger.info('Trying to perform point-in-time recovery')
    try:
        return recover(postgresql, bootstrap, polling)
    except Exception:
        logs = last_log_lines()
        if STOPPED_SHORT not in logs or of_data < 13:
            raise Exception('Point-in-time recovery failed.\nLOGS:\n--\n' + logs)
    for target in ('name', 'time', 'xid', 'lsn'):
        if 'recovery_conf' in method:
            method['recovery_conf']['recovery_target_' + target] = ''
    logger.info('Retrying point-in-time recovery without target')
    try:
        recover(postgresql, bootstrap, polling)
    except Exception:
        raise Exception('Point-in-time recovery failed.\nLOGS:\n--\n' + last_log_lines())


if __name__ == '__main__':
    logging.basicConfig(format='%(asctime)s maybe_pg_upgrade %(levelname)s: %(message)s', level='INFO')
    main()
