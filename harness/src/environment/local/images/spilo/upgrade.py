"""Upgrades a clone's data to the major version of its programs, as Spilo does: what was recovered by the programs that the data are
of goes through pg_upgrade, into a data folder that initdb makes.
"""
import json
import logging
import os
import shutil
import subprocess

logger = logging.getLogger('maybe_pg_upgrade')

PROGRAMS = '/etc/clonedrill/spilo.json'
# Spilo drops them in every database; they come back with post_init, or with whoever wants them.
DROPPED = ('pg_stat_kcache', 'pg_stat_statements', 'pg_repack')


def folder_of(major):
    with open(PROGRAMS) as programs:
        folders = {tool['major']: tool['bin'] for tool in json.load(programs)['postgres']}
    if major not in folders:
        raise Exception('the image has no programs of PostgreSQL {0}, which the data are of: it has {1}'.format(
            major, ', '.join(str(one) for one in sorted(folders))))
    return folders[major]


def libraries_in(folder, names):
    """Those that a PostgreSQL has: it does not start where one is missing."""
    places = [os.path.join(os.path.dirname(folder), *more) for more in (('lib',), ('lib', 'postgresql'))]
    kept = [name.strip() for name in (names or '').split(',') if name.strip()]
    return ','.join(name for name in kept if any(os.path.isfile(os.path.join(place, name + '.so')) for place in places))


class Upgrade:
    """Of the data of one PostgreSQL object of Patroni's, whose programs are the new ones."""

    def __init__(self, postgresql, of_data):
        self.postgresql = postgresql
        self.new, self.old = postgresql._bin_dir, folder_of(of_data)
        parameters = postgresql.config.get('parameters')
        self.kept = {name: parameters.get(name) for name in ('archive_mode', 'shared_preload_libraries')}
        self._use(self.old)
        # The WAL of the old version is nobody's.
        parameters['archive_mode'] = 'off'
        parameters['shared_preload_libraries'] = libraries_in(self.old, self.kept['shared_preload_libraries'])

    def _use(self, folder):
        self.postgresql._bin_dir = folder
        self.postgresql._available_gucs = None

    def run(self, bootstrap):
        """The old server runs, and is no longer in recovery; afterwards the new one runs."""
        postgresql = self.postgresql
        if not postgresql.bootstrap.call_post_bootstrap(bootstrap):
            postgresql.stop(block_callbacks=True, checkpoint=False)
            raise Exception('Failed to run bootstrap.post_init')
        new_data = self._make_data()
        try:
            self._drop_incompatible()
        except Exception:
            postgresql.stop(block_callbacks=True, checkpoint=False)
            raise
        logger.info('Doing a clean shutdown of the cluster before pg_upgrade')
        if not postgresql.stop(block_callbacks=True, checkpoint=False):
            raise Exception('Failed to stop the cluster with old postgres')
        if not self._pg_upgrade(new_data):
            raise Exception('Failed to upgrade the cluster')
        self._switch_to(new_data)
        logger.info('Starting the cluster with new postgres after upgrade')
        if not postgresql.start():
            raise Exception('Failed to start the cluster with new postgres')
        self._update_extensions()
        logger.info('Rebuilding statistics (vacuumdb)')
        subprocess.call([postgresql.pgcommand('vacuumdb'), '-aZ'] + self._user(), stdout=subprocess.DEVNULL)

    def _user(self):
        name = self.postgresql.config.superuser.get('username')
        return ['-U', name] if name else []

    def _make_data(self):
        """A data folder of the new major, with the old one's locale, encoding, checksums and configuration."""
        postgresql = self.postgresql

        def ask(query):
            return postgresql.query(query)[0][0]

        wanted = [{'locale': ask("SELECT datcollate FROM pg_catalog.pg_database WHERE datname = 'template1'")},
                  {'encoding': ask('SHOW server_encoding')}]
        if ask("SELECT current_setting('data_checksums')::bool"):
            wanted.append('data-checksums')
        logger.info('initdb config: %s', wanted)
        old_data, new_data = postgresql._data_dir, postgresql._data_dir + '_new'
        shutil.rmtree(new_data, ignore_errors=True)
        conf, version = postgresql.config._postgresql_conf, postgresql._version_file
        postgresql._data_dir = new_data
        postgresql.config._postgresql_conf = os.path.join(new_data, 'postgresql.conf')
        postgresql._version_file = os.path.join(new_data, 'PG_VERSION')
        self._use(self.new)
        self._restore_parameters()
        try:
            if not postgresql.bootstrap._initdb(wanted):
                raise Exception('initdb failed')
            postgresql.bootstrap._running_custom_bootstrap = False
            for name in os.listdir(old_data):
                if name.startswith(('postgresql.', 'pg_hba.conf')) or name == 'patroni.dynamic.json':
                    shutil.copy(os.path.join(old_data, name), os.path.join(new_data, name))
            postgresql.config.write_postgresql_conf()
        finally:
            postgresql._data_dir, postgresql._version_file = old_data, version
            postgresql.config._postgresql_conf = conf
            self._use(self.old)
        return new_data

    def _restore_parameters(self):
        parameters = self.postgresql.config.get('parameters')
        for name, value in self.kept.items():
            if value is None:
                parameters.pop(name, None)
            else:
                parameters[name] = value

    def _in_all_databases(self):
        from patroni.postgresql.connection import get_connection_cursor

        arguments = dict(self.postgresql.connection_pool.conn_kwargs)
        arguments['options'] = '-c synchronous_commit=local -c statement_timeout=0 -c search_path='
        arguments.pop('connect_timeout', None)
        for row in self.postgresql.query('SELECT datname FROM pg_catalog.pg_database WHERE datallowconn'):
            with get_connection_cursor(**dict(arguments, dbname=row[0])) as cursor:
                yield row[0], cursor

    def _drop_incompatible(self):
        logger.info('Dropping objects from the cluster which could be incompatible')
        for database, cursor in self._in_all_databases():
            command = 'REVOKE EXECUTE ON FUNCTION pg_catalog.pg_switch_wal() FROM admin'
            logger.info('Executing "%s" in the database="%s"', command, database)
            cursor.execute(command)
            cursor.execute('DROP FUNCTION IF EXISTS metric_helpers.pg_stat_statements(boolean) CASCADE')
            for extension in DROPPED:
                logger.info('Executing "DROP EXTENSION IF EXISTS %s" in the database="%s"', extension, database)
                cursor.execute('DROP EXTENSION IF EXISTS {0}'.format(extension))
            cursor.execute("SELECT oid::regclass FROM pg_catalog.pg_class WHERE relpersistence = 'u' AND relkind = 'r'")
            for unlogged in cursor.fetchall():
                logger.info('Truncating unlogged table %s', unlogged[0])
                cursor.execute('TRUNCATE {0}'.format(unlogged[0]))

    def _pg_upgrade(self, new_data):
        work = self.postgresql._data_dir + '_upgrade'
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        arguments = ['-k', '-j', str(os.cpu_count() or 1), '-b', self.old, '-B', self.new,
                     '-d', self.postgresql._data_dir, '-D', new_data,
                     '-O', "-c timescaledb.restoring='on'", '-O', "-c archive_mode='off'"] + self._user()
        logger.info('Executing pg_upgrade')
        code = subprocess.call([os.path.join(self.new, 'pg_upgrade')] + arguments, cwd=work)
        if code == 0:
            shutil.rmtree(work)
        return code == 0

    def _switch_to(self, new_data):
        data = self.postgresql._data_dir
        shutil.rmtree(data + '_old', ignore_errors=True)
        os.rename(data, data + '_old')
        os.rename(new_data, data)
        self._use(self.new)
        self._restore_parameters()
        self.postgresql.configure_server_parameters()
        logger.info('Removing %s', data + '_old')
        shutil.rmtree(data + '_old')

    def _update_extensions(self):
        for database, cursor in self._in_all_databases():
            cursor.execute('SELECT quote_ident(extname) FROM pg_catalog.pg_extension')
            for row in cursor.fetchall():
                query = 'ALTER EXTENSION {0} UPDATE'.format(row[0])
                logger.info("Executing '%s' in the database=%s", query, database)
                try:
                    cursor.execute(query)
                except Exception as error:
                    logger.error('Failed: %r', error)
