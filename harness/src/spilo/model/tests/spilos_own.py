"""Asks Spilo's own `configure_spilo.py` what it writes: a world (a map of variables) a line on stdin, an answer a line on stdout.

Only its reading of the environment and its env dirs are run: nothing of the machine is asked or changed. What it imports for
the rest (templates, requests, the machine's size) need not be installed.
"""
import importlib
import json
import logging
import os
import shutil
import sys
import tempfile
import types


def stand_ins(processors):
    psutil = types.ModuleType('psutil')
    psutil.cpu_count = lambda: processors
    sys.modules['psutil'] = psutil
    for name in ('yaml', 'pystache', 'requests', 'six'):
        sys.modules[name] = types.ModuleType(name)
    from urllib.parse import urlparse
    moves, parse = types.ModuleType('six.moves'), types.ModuleType('six.moves.urllib_parse')
    parse.urlparse = urlparse
    sys.modules['six.moves'], sys.modules['six.moves.urllib_parse'] = moves, parse


def env_dir(folder):
    if not os.path.isdir(folder):
        return None
    files = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), newline='') as file:
            files[name] = file.read()
    return files


def answer(spilo, world, warnings):
    root = tempfile.mkdtemp()
    try:
        os.environ.clear()
        os.environ.update(world, RW_DIR=root + '/run', PGROOT=root + '/data/pgroot')
        del warnings[:]
        # As its `main` does it; the version is that of the programs, which it asks.
        placeholders = spilo.get_placeholders(spilo.PROVIDER_UNSUPPORTED)
        placeholders['PGVERSION'] = world.get('PGVERSION', '')
        if placeholders['USE_WALE']:
            spilo.write_wale_environment(placeholders, '', True)
        if placeholders['CLONE_WITH_WALE']:
            spilo.update_and_write_wale_configuration(placeholders, 'CLONE_', True)
        if placeholders['STANDBY_WITH_WALE']:
            spilo.update_and_write_wale_configuration(placeholders, 'STANDBY_', True)
        standby = placeholders.get('STANDBY_WALE_ENV_DIR') if placeholders['STANDBY_WITH_WALE'] else None
        clone = placeholders.get('CLONE_WALE_ENV_DIR') if placeholders['CLONE_WITH_WALE'] else None
        return {
            'own': env_dir(placeholders['WALE_ENV_DIR']),
            'clone': env_dir(clone) if clone else None,
            'standby': env_dir(standby) if standby else None,
            'follows': bool(placeholders['STANDBY_CLUSTER']),
            'clones_backups': bool(placeholders['CLONE_WITH_WALE']),
            'clones_running': bool(placeholders['CLONE_WITH_BASEBACKUP']),
            'warnings': list(warnings),
        }
    finally:
        shutil.rmtree(root)


def main():
    stand_ins(processors=2)
    sys.path.insert(0, sys.argv[1])
    os.environ['KUBERNETES_SERVICE_HOST'] = '10.0.0.1'
    spilo = importlib.import_module('configure_spilo')
    spilo.adjust_owner = lambda *arguments, **named: None
    warnings = []
    handler = logging.Handler(level=logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    path = dict(os.environ)
    for line in sys.stdin:
        world = dict(json.loads(line), PATH=path.get('PATH', ''), HOME='/home/postgres')
        print(json.dumps(answer(spilo, world, warnings)), flush=True)


main()
