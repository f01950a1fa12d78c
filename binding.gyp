# The addon for the CPU alone; CMakeLists.txt builds it with code for GPUs.
{
  # '' or 'address', 'undefined', 'address,undefined': for fuzzing under sanitizers.
  'variables': {'sanitize%': ''},
  'targets': [
    {
      'target_name': 'soul',
      'sources': ['<!@(find native/addon native/kernels/cpu native/runtime -name "*.cpp" | sort)'],
      'include_dirs': ['native', '<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': [
        'NAPI_VERSION=9',
        'NODE_ADDON_API_CPP_EXCEPTIONS_ALL',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags!': ['-fno-exceptions', '-O2'],
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=c++17'],
      # No contraction into fused multiply-adds: the same bits on every processor.
      'cflags_cc': [
        '-std=c++20', '-O3', '-fexceptions', '-fvisibility=hidden', '-fvisibility-inlines-hidden',
        '-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math', '-Wall', '-Wextra', '-Wno-unused-parameter',
      ],
      'conditions': [
        ['OS=="linux"', {'libraries': ['-ldl']}],
        ['OS=="mac"', {
          'xcode_settings': {
            'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
            'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
            'GCC_OPTIMIZATION_LEVEL': '3',
            'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
            'MACOSX_DEPLOYMENT_TARGET': '13.3',
            'OTHER_CPLUSPLUSFLAGS': ['-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math'],
          },
        }],
        ['sanitize!=""', {
          'cflags_cc': ['-fsanitize=<(sanitize)', '-fno-sanitize-recover=undefined', '-fno-omit-frame-pointer', '-g', '-O1'],
          'ldflags': ['-fsanitize=<(sanitize)'],
        }],
      ],
    },
  ],
}
